//! The Engine API's documents, one type per document, in the field order of
//! Docker's Go structs (API 1.51), so that JSON bytes compare.
//!
//! Go's rules: a nil slice or map is `null`, so an `Option` here serialises as
//! `null` unless the Go tag says `omitempty`, and `null` in a request means "as
//! if absent" ([`from_slice`] drops it before reading).

mod build;
mod container;
mod event;
mod exec;
mod host_config;
mod image;
mod network;
mod stats;
mod system;
mod time;
mod volume;

pub use build::*;
pub use container::*;
pub use event::*;
pub use exec::*;
pub use host_config::*;
pub use image::*;
pub use network::*;
pub use stats::*;
pub use system::*;
pub use time::*;
pub use volume::*;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::api::error::ApiError;

/// String to string, as labels and options are.
pub type StringMap = BTreeMap<String, String>;

/// Go's `struct{}`: serialises as `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// A set as Docker writes it: `{"80/tcp":{}}`.
pub type StringSet = BTreeMap<String, Empty>;

/// The body of every error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorResponse {
    /// What went wrong, for people.
    pub message: String,
}

/// The answer of calls that create something and only return its id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdResponse {
    /// The new object's id.
    #[serde(rename = "Id")]
    pub id: String,
}

/// For `skip_serializing_if`: Go's `omitempty`.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Go's `strslice.StrSlice`: a string or a list of strings.
pub(crate) fn str_slice<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum StrSlice {
        One(String),
        Many(Vec<String>),
    }
    Ok(
        Option::<StrSlice>::deserialize(deserializer)?.map(|value| match value {
            StrSlice::One(one) => vec![one],
            StrSlice::Many(many) => many,
        }),
    )
}

/// Reads a JSON document as Go does: `null` leaves a field alone.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_eof() && bytes.is_empty() {
            ApiError::invalid("invalid JSON: got EOF while reading request body")
        } else {
            ApiError::invalid(format!("invalid JSON: {error}"))
        }
    })?;
    drop_nulls(&mut value, 0);
    serde_json::from_value(value)
        .map_err(|error| ApiError::invalid(format!("invalid JSON: {error}")))
}

/// serde_json itself refuses nesting beyond 128, which bounds the recursion.
fn drop_nulls(value: &mut Value, depth: usize) {
    if depth > 128 {
        return;
    }
    match value {
        Value::Object(map) => {
            map.retain(|_, member| !member.is_null());
            map.values_mut()
                .for_each(|member| drop_nulls(member, depth + 1));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| drop_nulls(item, depth + 1)),
        _ => {}
    }
}
