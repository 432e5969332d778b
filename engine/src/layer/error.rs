//! What can be wrong with an archive, and how much of it is allowed.

use std::fmt;
use std::io;

use bottleship_vfs::Errno;

/// Why an archive was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The archive breaks its format.
    #[error("invalid tar archive: {reason} at byte {offset}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
        /// Where, in the uncompressed archive.
        offset: u64,
    },
    /// An entry asks for something that is refused.
    #[error("invalid tar entry {}: {reason}", Printable(.name))]
    Entry {
        /// The entry's name as it is in the archive.
        name: Vec<u8>,
        /// Why it is refused.
        reason: &'static str,
    },
    /// Something is larger than allowed.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A feature of the format, or a compression, that is not supported.
    #[error("unsupported {0}")]
    Unsupported(String),
    /// The compressed data is broken.
    #[error("corrupt {kind} data: {source}")]
    Compressed {
        /// The compression.
        kind: &'static str,
        /// What the decoder says.
        source: io::Error,
    },
    /// The file system refused.
    #[error("{}: {errno}", Printable(.name))]
    File {
        /// The entry.
        name: Vec<u8>,
        /// The file system's answer; `ENOSPC` when the storage limit is reached.
        errno: Errno,
    },
    /// Reading or writing the archive failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What an archive that is cut off is [`LayerError::Malformed`] with.
pub(crate) const TRUNCATED: &str = "unexpected end of archive";

impl LayerError {
    /// As dockerd, which unpacks in a process of its own, says it.
    pub fn in_docker_words(&self) -> String {
        let what = match self {
            LayerError::Malformed { reason, .. } if *reason == TRUNCATED => "unexpected EOF".into(),
            other => other.to_string(),
        };
        format!("Error processing tar file(exit status 1): {what}")
    }

    pub(super) fn entry(name: &[u8], reason: &'static str) -> LayerError {
        let name = name.to_vec();
        LayerError::Entry { name, reason }
    }

    /// The typed error behind an error of reading.
    pub(crate) fn from_read(error: io::Error) -> LayerError {
        super::compression::error(error)
    }

    /// For `map_err` on file system calls.
    pub(super) fn file(name: &[u8]) -> impl FnOnce(Errno) -> LayerError {
        move |errno| LayerError::File {
            name: name.to_vec(),
            errno,
        }
    }
}

/// What an archive may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the uncompressed archive.
    pub archive_bytes: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of a path name or link target.
    pub path_bytes: u64,
    /// Bytes of one extended header (PAX or GNU long name).
    pub extended_bytes: u64,
    /// The largest user or group id.
    pub max_id: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            archive_bytes: 16 << 30,
            entries: 1_000_000,
            path_bytes: 4095,
            extended_bytes: 1 << 20,
            max_id: u32::MAX - 1,
        }
    }
}

/// Bytes of a name, printed quoted, with control characters and invalid UTF-8 escaped and at most
/// 200 bytes of it.
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(200)];
        write!(f, "\"")?;
        for chunk in shown.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    c if c.is_control() => write!(f, "{}", c.escape_default())?,
                    // Direction overrides and the like could reorder what the terminal shows.
                    '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                        write!(f, "{}", c.escape_unicode())?;
                    }
                    c => write!(f, "{c}")?,
                }
            }
            for b in chunk.invalid() {
                write!(f, "\\x{b:02x}")?;
            }
        }
        write!(
            f,
            "{}\"",
            if shown.len() < self.0.len() {
                "…"
            } else {
                ""
            }
        )
    }
}
