//! Layers: tar archives ↔ file trees.
//!
//! - [`apply`] turns a layer's tar into a tree with overlayfs whiteouts, [`diff`] turns such a tree
//!   back into the tar Docker would write.
//! - [`archive`] and [`extract`] move plain trees (`docker export`, `cp`, `ADD`, `import`).
//! - [`changes`] is `docker diff`, [`usage`] what it takes.
//! - [`Decompressor`] finds out how bytes are compressed and undoes it.
//!
//! Archives are untrusted: every size is limited, names stay inside the tree they are unpacked
//! into, and nothing recurses with their depth.

mod apply;
mod archive;
mod changes;
mod compression;
mod error;
mod extract;
mod header;
mod reader;
mod remove;
mod scope;
mod source;
mod unpack;
mod walk;
mod writer;
mod xz;

#[cfg(test)]
mod tests;

/// What the tests of hostile layers need of the inside: they run in Chromium, too (web/tests/hostile.rs).
#[doc(hidden)]
pub mod inside {
    pub use super::header::checksum;
    pub use super::remove::remove_all;
    pub use super::walk::{Found, walk};
}

pub use apply::{Applied, apply, apply_known};
pub use archive::{ArchiveOptions, Archived, Packed, archive, diff, pack, pack_diff};
pub use changes::changes;
pub use compression::{Compression, Decompressor};
pub(crate) use error::TRUNCATED;
pub use error::{LayerError, Limits, Printable};
pub use extract::{ExtractOptions, extract, extract_from};
pub(crate) use header::{BLOCK, Kind, RawHeader, field};
pub(crate) use reader::Reader;
pub(crate) use source::{Coming, Reading, Source};
pub use walk::usage;
pub(crate) use writer::{Header, Writer};
