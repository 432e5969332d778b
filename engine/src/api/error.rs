//! Errors as the API reports them: a kind, which decides the status, and a
//! message, which is what users read.

use http::StatusCode;

use crate::content::ContentError;
use crate::network::NetworkError;
use crate::pipe::BodyError;
use crate::runtime::RuntimeError;
use crate::snapshot::SnapshotError;
use crate::store::StoreError;

/// moby's `errdefs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 400.
    InvalidParameter,
    /// 403.
    Forbidden,
    /// 401.
    Unauthorized,
    /// 304.
    NotModified,
    /// 501.
    NotImplemented,
    /// 503.
    Unavailable,
    /// 500.
    System,
}

impl ErrorKind {
    /// The status it is reported with.
    pub fn status(self) -> StatusCode {
        match self {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::InvalidParameter => StatusCode::BAD_REQUEST,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
            ErrorKind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::System => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error of an API call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Decides the status.
    pub kind: ErrorKind,
    /// What went wrong, in Docker's words.
    pub message: String,
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),*) => {
        impl ApiError {
            $(
                #[doc = concat!("An error of kind [`ErrorKind::", stringify!($kind), "`].")]
                pub fn $name(message: impl Into<String>) -> Self {
                    ApiError { kind: ErrorKind::$kind, message: message.into() }
                }
            )*
        }
    };
}

constructors!(
    not_found => NotFound,
    conflict => Conflict,
    invalid => InvalidParameter,
    forbidden => Forbidden,
    unauthorized => Unauthorized,
    not_implemented => NotImplemented,
    unavailable => Unavailable,
    system => System
);

impl ApiError {
    /// Nothing to do: 304 without a body.
    pub fn not_modified() -> Self {
        ApiError {
            kind: ErrorKind::NotModified,
            message: String::new(),
        }
    }

    /// The same error with something said before it.
    pub fn context(self, prefix: impl std::fmt::Display) -> Self {
        ApiError {
            message: format!("{prefix}: {}", self.message),
            ..self
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        ApiError::system(error.to_string())
    }
}

impl From<ContentError> for ApiError {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::NotFound(_) => ApiError::not_found(error.to_string()),
            _ => ApiError::system(error.to_string()),
        }
    }
}

impl From<SnapshotError> for ApiError {
    fn from(error: SnapshotError) -> Self {
        ApiError::system(error.to_string())
    }
}

impl From<RuntimeError> for ApiError {
    fn from(error: RuntimeError) -> Self {
        ApiError::system(error.to_string())
    }
}

impl From<NetworkError> for ApiError {
    fn from(error: NetworkError) -> Self {
        ApiError::system(error.to_string())
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        ApiError::system(error.to_string())
    }
}
