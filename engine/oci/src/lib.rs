//! OCI and Docker image documents: references, digests, manifests, configurations, archives.
//!
//! Everything here is a pure function over bytes. Documents that came from elsewhere keep their
//! bytes, because their digest is their name; what is typed is only a view. Input is hostile by
//! default: sizes, depths and counts are bounded, ambiguous JSON is refused ([`document`]).

#![forbid(unsafe_code)]

pub mod archive;
pub mod config;
pub mod digest;
pub mod document;
pub mod manifest;
pub mod media_type;
pub mod members;
pub mod pattern;
pub mod reference;
pub mod save;
pub mod time;

pub use config::{ContainerConfig, History, ImageConfig, RootFs};
pub use digest::{Algorithm, ChainId, DiffId, Digest, DigestError, Digester, ImageId};
pub use document::DocumentError;
pub use manifest::{Descriptor, Document, Index, Manifest, Platform};
pub use reference::{AnyReference, Reference, ReferenceError};
