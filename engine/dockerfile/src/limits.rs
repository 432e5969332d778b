//! Bounds on hostile Dockerfiles. BuildKit has the first one; the rest are ours.

/// Bytes in one line (Go's `bufio.MaxScanTokenSize - 1`, the figure BuildKit's message gives).
pub const LINE: usize = 64 * 1024 - 1;
/// Bytes in a Dockerfile, heredocs included.
pub const DOCKERFILE: usize = 16 * 1024 * 1024;
/// Instructions in a Dockerfile, and triggers an image may carry.
pub const INSTRUCTIONS: usize = 20_000;
/// `ONBUILD ONBUILD …` nesting the parser follows before giving up.
pub const ONBUILD_DEPTH: usize = 8;
/// `${a:-${b:-…}}` nesting.
pub const EXPANSION_DEPTH: usize = 64;
/// Bytes one word may expand to.
pub const EXPANSION: usize = 1024 * 1024;
/// Ports one `EXPOSE` instruction may name, ranges counted.
pub const PORTS: usize = 65_536;
