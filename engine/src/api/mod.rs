//! The Docker Engine API: requests in, responses out, no sockets.

pub mod error;
pub mod filters;
pub mod message;
pub mod query;
pub mod router;
pub mod stdcopy;
mod system;
pub mod types;

pub use crate::pipe::{BodyError, Duplex, duplex};
pub use error::{ApiError, ErrorKind};
pub use message::{ApiVersion, Body, Call, Request, Response};

/// What a handler returns.
pub type ApiResult = Result<Response, ApiError>;
