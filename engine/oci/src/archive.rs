//! Reading image archives: `docker save`'s, in the forms before and since Docker 25, and plain OCI
//! layouts as other tools write them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::config::RawConfig;
use crate::digest::{Digest, ImageId};
use crate::document::{DocumentError, MAX_DOCUMENT, parse_value, typed};
use crate::manifest::{Descriptor, Document, Index, MAX_INDEX_DEPTH, Manifest, Platform};
use crate::media_type;
use crate::members::{Contents, MemberError, Members};
use crate::reference::{Reference, ReferenceError};

/// The most images of one archive.
const MAX_IMAGES: usize = 1000;
const WHAT: &str = "manifest.json";
const IMAGE_NAME: &str = "io.containerd.image.name";
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Why an archive cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Neither `manifest.json` nor an OCI layout. Docker then looks for the `repositories` file of
    /// ancient archives, and its message is about that.
    #[error("invalid archive: does not contain a manifest.json")]
    NoManifest,
    /// The text is Docker's.
    #[error("invalid manifest, manifest cannot be null (but can be [])")]
    NullManifest,
    /// A member is missing or unusable.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// A document is refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A tag is no reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A `RepoTags` entry without a tag; the text is Docker's.
    #[error("invalid tag {0:?}")]
    Tag(String),
    /// A blob is not what its name says.
    #[error("invalid archive: content of {0} does not match its digest")]
    Digest(Digest),
    /// The text is Docker's.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(String),
    /// An index inside an index inside …
    #[error("invalid index: nested deeper than {MAX_INDEX_DEPTH}")]
    Depth,
}

/// One image of an archive. The layers are as stored: perhaps compressed, not yet checked against
/// the configuration's diffIDs.
#[derive(Debug, Clone)]
pub struct ArchivedImage {
    /// The configuration.
    pub config: RawConfig,
    /// The layers, bottom first; as many as the configuration has diffIDs.
    pub layers: Vec<Contents>,
    /// Names with tags.
    pub tags: Vec<Reference>,
    /// The parent, if the archive says and contains it.
    pub parent: Option<ImageId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
    #[serde(default)]
    parent: Option<ImageId>,
}

/// The images in an archive, in its order.
pub fn read(members: &Members, platform: &Platform) -> Result<Vec<ArchivedImage>, ArchiveError> {
    if members.contains("manifest.json") {
        return read_docker(members);
    }
    if members.contains("index.json") && members.contains("oci-layout") {
        return read_layout(members, platform);
    }
    Err(ArchiveError::NoManifest)
}

fn read_docker(members: &Members) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let raw = members.read_limited("manifest.json", MAX_DOCUMENT)?;
    let items: Vec<Item> = match parse_value(WHAT, &raw)? {
        Value::Null => return Err(ArchiveError::NullManifest),
        value => typed(WHAT, value)?,
    };
    limit("images", items.len(), MAX_IMAGES)?;
    let mut images = Vec::with_capacity(items.len());
    for item in items {
        let config = RawConfig::parse(members.read_limited(&item.config, MAX_DOCUMENT)?)?;
        if let Some(name) = item.config.strip_prefix("blobs/") {
            check_name(name, &config.raw)?;
        }
        let names = item.layers.unwrap_or_default();
        config.config.check_layers(names.len())?;
        let layers = names
            .iter()
            .map(|n| members.contents(n).cloned())
            .collect::<Result<_, _>>()?;
        let tags = item.repo_tags.unwrap_or_default();
        limit("tags", tags.len(), MAX_IMAGES)?;
        let tags = tags.iter().map(|t| tagged(t)).collect::<Result<_, _>>()?;
        images.push(ArchivedImage {
            config,
            layers,
            tags,
            parent: item.parent,
        });
    }
    let ids: Vec<ImageId> = images.iter().map(|i| i.config.id()).collect();
    for (image, id) in images.iter_mut().zip(&ids) {
        image.parent = image.parent.take().filter(|p| p != id && ids.contains(p));
    }
    Ok(images)
}

fn tagged(text: &str) -> Result<Reference, ArchiveError> {
    let reference = Reference::parse(text)?;
    match reference.tag() {
        Some(_) if reference.digest().is_none() => Ok(reference),
        _ => Err(ArchiveError::Tag(text.into())),
    }
}

/// Checks bytes against a member name of the form `sha256/hex`.
fn check_name(name: &str, bytes: &Bytes) -> Result<(), ArchiveError> {
    match name.replacen('/', ":", 1).parse::<Digest>() {
        Ok(digest) if !digest.verifies(bytes) => Err(ArchiveError::Digest(digest)),
        _ => Ok(()),
    }
}

fn limit(of: &'static str, count: usize, limit: usize) -> Result<(), DocumentError> {
    if count > limit {
        return Err(DocumentError::TooMany {
            what: WHAT,
            of,
            count,
            limit,
        });
    }
    Ok(())
}

fn read_layout(members: &Members, platform: &Platform) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let raw = members.read_limited("index.json", MAX_DOCUMENT)?;
    let Document::Index(index) = Document::parse(raw, None)? else {
        return Err(DocumentError::Shapeless.into());
    };
    let mut images: Vec<ArchivedImage> = Vec::new();
    for descriptor in &index.manifests {
        let tag = layout_tag(descriptor);
        let manifest = layout_manifest(members, descriptor, platform)?;
        let config = RawConfig::parse(document(members, &manifest.config)?)?;
        if let Some(known) = images.iter_mut().find(|i| i.config.id() == config.id()) {
            known.tags.extend(tag);
            continue;
        }
        config.config.check_layers(manifest.layers.len())?;
        let mut layers = Vec::with_capacity(manifest.layers.len());
        for layer in &manifest.layers {
            media_type::layer_compression(&layer.media_type)?;
            layers.push(blob(members, layer)?);
        }
        images.push(ArchivedImage {
            config,
            layers,
            tags: tag.into_iter().collect(),
            parent: None,
        });
    }
    Ok(images)
}

/// The name that containerd and BuildKit note for an image; a bare tag names nothing.
fn layout_tag(descriptor: &Descriptor) -> Option<Reference> {
    let notes = descriptor.annotations.as_ref()?;
    [IMAGE_NAME, REF_NAME]
        .iter()
        .filter_map(|key| notes.get(*key))
        .find_map(|name| {
            Reference::parse(name)
                .ok()
                .filter(|r| r.tag().is_some() && r.digest().is_none())
        })
}

fn layout_manifest(
    members: &Members,
    descriptor: &Descriptor,
    platform: &Platform,
) -> Result<Manifest, ArchiveError> {
    let mut descriptor = descriptor.clone();
    for _ in 0..=MAX_INDEX_DEPTH {
        let declared = Some(descriptor.media_type.as_str()).filter(|t| !t.is_empty());
        match Document::parse(document(members, &descriptor)?, declared)? {
            Document::Manifest(manifest) => return Ok(manifest),
            Document::Index(index) => descriptor = choose(&index, platform)?,
        }
    }
    Err(ArchiveError::Depth)
}

fn choose(index: &Index, platform: &Platform) -> Result<Descriptor, ArchiveError> {
    index
        .select(platform)
        .cloned()
        .ok_or_else(|| ArchiveError::NoPlatform(platform.to_string()))
}

/// A blob of an OCI layout, whose digest is its own whatever its file is called.
fn blob(members: &Members, descriptor: &Descriptor) -> Result<Contents, ArchiveError> {
    let contents = members.contents(&blob_name(&descriptor.digest))?;
    if !contents.is(&descriptor.digest, descriptor.size) {
        return Err(ArchiveError::Digest(descriptor.digest.clone()));
    }
    Ok(contents.clone())
}

fn document(members: &Members, descriptor: &Descriptor) -> Result<Bytes, ArchiveError> {
    blob(members, descriptor)?;
    Ok(members.read_limited(&blob_name(&descriptor.digest), MAX_DOCUMENT)?)
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
