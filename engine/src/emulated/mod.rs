//! The ports inside one process: containers on the emulated kernel, layers in
//! memory, state in a [`crate::store::Store`].

mod content;

pub use content::StoredContent;
