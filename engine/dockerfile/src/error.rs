//! The error type: BuildKit's message and the lines it is about.

/// Lines of a Dockerfile, 1-based and inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineRange {
    /// First line.
    pub start: usize,
    /// Last line.
    pub end: usize,
}

/// What is wrong, in BuildKit's words, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// BuildKit's message.
    pub message: String,
    /// The lines it is about, when known.
    pub location: Option<LineRange>,
}

impl Error {
    /// An error that no line is known for yet.
    pub fn new(message: impl Into<String>) -> Self {
        Error {
            message: message.into(),
            location: None,
        }
    }

    /// The same error at `location`, unless it already says where it is.
    pub fn at(mut self, location: LineRange) -> Self {
        self.location.get_or_insert(location);
        self
    }

    /// The same error with `prefix: ` before its message.
    pub fn context(mut self, prefix: impl std::fmt::Display) -> Self {
        self.message = format!("{prefix}: {}", self.message);
        self
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;
