//! What is wrong with a file, and on which line.

/// Why a lesson, a drill or a result file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("line {line}: {message}")]
pub struct LessonError {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl LessonError {
    /// An error on a line.
    pub fn new(line: u32, message: impl Into<String>) -> LessonError {
        LessonError {
            line,
            message: message.into(),
        }
    }
}

/// Short for what reading a file gives.
pub type Result<T, E = LessonError> = std::result::Result<T, E>;
