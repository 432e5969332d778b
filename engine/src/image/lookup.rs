//! From what a user types to an image.

use std::rc::Rc;

use bottleship_oci::{AnyReference, ImageId, Reference};

use super::{Image, Images};
use crate::api::ApiError;

impl Images {
    /// The image of a name, a digest, an id or the beginning of an id.
    pub fn find(&self, name: &str) -> Result<Rc<Image>, ApiError> {
        let any = AnyReference::parse(name).map_err(|e| ApiError::invalid(e.to_string()))?;
        let found = match &any {
            AnyReference::Digest(digest) => self.get(&ImageId(digest.clone())),
            AnyReference::Named(reference) => self
                .named(reference)
                .and_then(|id| self.get(&id))
                .or_else(|| self.find_by_id(name)),
        };
        found.ok_or_else(|| no_such_image(any))
    }

    /// The only image whose id begins so.
    pub(super) fn find_by_id(&self, prefix: &str) -> Option<Rc<Image>> {
        let hex = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if hex.is_empty() || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let mut matching = self
            .all()
            .into_iter()
            .filter(|i| i.id().hex().starts_with(hex));
        matching.next().filter(|_| matching.next().is_none())
    }
}

fn no_such_image(any: AnyReference) -> ApiError {
    let name = match any {
        AnyReference::Digest(digest) => digest.to_string(),
        AnyReference::Named(reference) => reference.with_default_tag().familiar(),
    };
    ApiError::not_found(format!("No such image: {name}"))
}

/// A name as a user types it, or the error of its grammar.
pub(super) fn parse(name: &str) -> Result<Reference, ApiError> {
    Reference::parse(name).map_err(|e| ApiError::invalid(e.to_string()))
}

/// Whether what the user typed is (the beginning of) the image's id.
pub(super) fn is_id_prefix(id: &ImageId, typed: &str) -> bool {
    id.as_str().starts_with(typed) || id.hex().starts_with(typed)
}
