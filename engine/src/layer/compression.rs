//! Finding out how bytes are compressed, and undoing it within bounds.

use std::io::{self, BufRead, BufReader, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::LayerError;
use super::xz::XzDecoder;

/// The largest window of a zstd frame, which the decoder keeps in memory. It is what zstd itself
/// accepts up to level 19.
const ZSTD_WINDOW_MAX: u64 = 8 << 20;

/// How bytes are compressed, told by their first ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, any number of members.
    Gzip,
    /// Zstandard, any number of frames.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl Compression {
    /// Tells the compression from the first (at least six) bytes.
    pub fn detect(bytes: &[u8]) -> Compression {
        match bytes {
            [0x1f, 0x8b, 8, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            _ => Compression::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
        }
    }
}

/// The uncompressed bytes of a source. Errors of reading carry a [`LayerError`]. How much comes out
/// is for the reader of it to limit ([`super::Limits::archive_bytes`]).
pub struct Decompressor<'r> {
    compression: Compression,
    inner: Box<dyn BufRead + 'r>,
}

/// Bytes decompressed at a time.
const CHUNK: usize = 128 << 10;

impl<'r> Decompressor<'r> {
    /// Looks at the first bytes of a source.
    pub fn new(mut source: impl BufRead + 'r) -> Result<Decompressor<'r>, LayerError> {
        let mut magic = Vec::new();
        source.by_ref().take(6).read_to_end(&mut magic)?;
        let compression = Compression::detect(&magic);
        let source = io::Cursor::new(magic).chain(source);
        let inner: Box<dyn BufRead + 'r> = match compression {
            Compression::None => Box::new(source),
            Compression::Gzip => buffered(flate2::bufread::MultiGzDecoder::new(source)),
            Compression::Zstd => buffered(ZstdDecoder::new(source)),
            Compression::Bzip2 => buffered(bzip2::bufread::MultiBzDecoder::new(source)),
            Compression::Xz => buffered(XzDecoder::new(source)),
        };
        Ok(Decompressor { compression, inner })
    }

    /// What was found.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    fn wrap(&self, source: io::Error) -> io::Error {
        if self.compression == Compression::None
            || source.kind() == io::ErrorKind::Interrupted
            || source.get_ref().is_some_and(|e| e.is::<LayerError>())
        {
            return source;
        }
        let kind = self.compression.name();
        io::Error::other(LayerError::Compressed { kind, source })
    }
}

impl Read for Decompressor<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf);
        n.map_err(|e| self.wrap(e))
    }
}

impl BufRead for Decompressor<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Twice, because the borrow of what is returned may not span the error's wrapping; the
        // second call finds the buffer filled.
        if let Err(e) = self.inner.fill_buf() {
            return Err(self.wrap(e));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.inner.consume(n);
    }
}

fn buffered<'r>(decoder: impl Read + 'r) -> Box<dyn BufRead + 'r> {
    Box::new(BufReader::with_capacity(CHUNK, decoder))
}

/// The typed error behind an error of reading.
pub(super) fn error(e: io::Error) -> LayerError {
    match e.downcast::<LayerError>() {
        Ok(error) => error,
        Err(e) => LayerError::Io(e),
    }
}

/// Zstandard frames one after another, skippable ones among them.
struct ZstdDecoder<R> {
    source: R,
    frame: FrameDecoder,
    in_frame: bool,
}

impl<R: Read> ZstdDecoder<R> {
    fn new(source: R) -> ZstdDecoder<R> {
        ZstdDecoder {
            source,
            frame: FrameDecoder::new(),
            in_frame: false,
        }
    }

    /// Starts the next frame; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            let mut head = [0; 18];
            if read_some(&mut self.source, &mut head[..4])? == 0 {
                return Ok(false);
            }
            let magic = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            if (0x184d_2a50..=0x184d_2a5f).contains(&magic) {
                let mut size = [0; 4];
                self.source.read_exact(&mut size)?;
                let size = u64::from(u32::from_le_bytes(size));
                let skipped = io::copy(&mut self.source.by_ref().take(size), &mut io::sink())?;
                if skipped < size {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            if magic != 0xfd2f_b528 {
                return Err(bad("bytes after the last frame"));
            }
            self.source.read_exact(&mut head[4..5])?;
            let rest = frame_header_len(head[4]);
            self.source.read_exact(&mut head[5..5 + rest])?;
            let window = window_size(&head[4..5 + rest]);
            if window > ZSTD_WINDOW_MAX {
                return Err(io::Error::other(LayerError::Limit {
                    what: "window of the zstd frame",
                    limit: ZSTD_WINDOW_MAX,
                }));
            }
            if head[4] & 3 != 0 {
                let text = "zstd frame that needs a dictionary".to_owned();
                return Err(io::Error::other(LayerError::Unsupported(text)));
            }
            self.frame
                .reset(&head[..5 + rest])
                .map_err(io::Error::other)?;
            self.in_frame = true;
            return Ok(true);
        }
    }
}

impl<R: Read> Read for ZstdDecoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame {
                if self.frame.can_collect() > 0 {
                    return self.frame.read(buf);
                }
                if self.frame.is_finished() {
                    let stored = self.frame.get_checksum_from_data();
                    if stored.is_some() && stored != self.frame.get_calculated_checksum() {
                        return Err(bad("checksum does not match"));
                    }
                    self.in_frame = false;
                } else {
                    let some = BlockDecodingStrategy::UptoBytes(CHUNK);
                    let decoded = self.frame.decode_blocks(&mut self.source, some);
                    decoded.map_err(io::Error::other)?;
                }
            } else if !self.next_frame()? {
                return Ok(0);
            }
        }
    }
}

/// Bytes of a frame header after the descriptor byte (RFC 8878, 3.1.1.1).
fn frame_header_len(descriptor: u8) -> usize {
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = match descriptor >> 6 {
        0 => usize::from(single_segment),
        n => 1 << n,
    };
    usize::from(!single_segment) + dictionary + content
}

/// The window a frame header (from its descriptor on) asks for.
fn window_size(header: &[u8]) -> u64 {
    let descriptor = header[0];
    if descriptor & 0x20 == 0 {
        let (exponent, mantissa) = (u32::from(header[1] >> 3), u64::from(header[1] & 7));
        let base = 1u64 << (10 + exponent);
        return base + base / 8 * mantissa;
    }
    // The whole content is the window.
    let len = match descriptor >> 6 {
        0 => 1,
        n => 1 << n,
    };
    let field = &header[header.len() - len..];
    let size = field
        .iter()
        .rev()
        .fold(0, |value, b| (value << 8) | u64::from(*b));
    if len == 2 { size + 256 } else { size }
}

/// Fills the buffer, or reads nothing at the end of the source.
pub(super) fn read_some(source: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let n = loop {
        match source.read(buf) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if n > 0 {
        source.read_exact(&mut buf[n..])?;
        return Ok(buf.len());
    }
    Ok(0)
}

pub(super) fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
