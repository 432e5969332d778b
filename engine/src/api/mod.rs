//! The Docker Engine API: requests in, responses out, no sockets.

mod build;
mod containers;
pub mod error;
mod exec;
pub mod filters;
mod images;
mod info;
pub mod message;
mod networks;
mod prune;
pub mod query;
pub mod router;
pub mod stdcopy;
mod system;
pub mod types;
mod volumes;

pub use crate::pipe::{BodyError, Duplex, duplex};
pub use error::{ApiError, ErrorKind};
pub use message::{ApiVersion, Body, Call, Request, Response};
pub use prune::prune_until;
pub use system::SERVER_VERSION;

/// What a handler returns.
pub type ApiResult = Result<Response, ApiError>;

/// The answer to everything about swarms.
pub(crate) const NOT_A_SWARM: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
