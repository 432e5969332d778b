//! Writing image archives as `docker save` does since Docker 25: an OCI layout that is also the
//! older form (`manifest.json`, `repositories`).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use tar::{EntryType, Header};

use crate::config::RawConfig;
use crate::digest::{DiffId, Digest, ImageId};
use crate::manifest::{Descriptor, Manifest, index_bytes, to_bytes};
use crate::media_type as mt;
use crate::reference::Reference;

/// One image to be written.
#[derive(Debug, Clone)]
pub struct SavedImage {
    /// Its configuration.
    pub config: RawConfig,
    /// Bytes of its layers' uncompressed tars, bottom first, as many as the configuration has diffIDs.
    pub layers: Vec<u64>,
    /// The names it is saved under, each with a tag.
    pub tags: Vec<Reference>,
    /// Its parent, if that is written as well.
    pub parent: Option<ImageId>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ImageId>,
    layer_sources: BTreeMap<String, Source>,
}

#[derive(Serialize)]
struct Source {
    #[serde(rename = "mediaType")]
    media_type: &'static str,
    size: u64,
    digest: Digest,
}

/// A piece of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// The uncompressed tar of a layer.
    Layer(DiffId),
}

/// The archive, as pieces to be written one after the other.
pub fn write(images: &[SavedImage]) -> Vec<Piece> {
    // Sorted by name, as a walk over Docker's temporary directory is: (contents, their length, mtime in seconds).
    let mut blobs: BTreeMap<Digest, (Piece, u64, u64)> = BTreeMap::new();
    let mut items = Vec::new();
    let mut index = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut directory_time = 0;
    for image in images {
        let created = image.config.config.created_at().unwrap_or(0);
        let created = u64::try_from(created / 1_000_000_000).unwrap_or(0);
        directory_time = created;
        let diff_ids = &image.config.config.rootfs.diff_ids;
        let platform = image.config.config.platform();
        let mut layers = Vec::new();
        let mut sources = BTreeMap::new();
        for (diff_id, size) in diff_ids.iter().zip(&image.layers) {
            let descriptor = Descriptor::new(mt::OCI_LAYER, diff_id.0.clone(), *size);
            let source = Source {
                media_type: mt::OCI_LAYER,
                size: descriptor.size,
                digest: descriptor.digest.clone(),
            };
            sources.insert(diff_id.to_string(), source);
            layers.push(descriptor);
            blobs
                .entry(diff_id.0.clone())
                .or_insert_with(|| (Piece::Layer(diff_id.clone()), *size, created));
        }
        let id = image.config.id();
        let config = Descriptor::of(mt::OCI_CONFIG, &image.config.raw);
        blobs.insert(id.0.clone(), document(image.config.raw.clone(), created));
        let manifest: Bytes = Manifest::oci_bytes(&config, &layers, None).into();
        let descriptor = Descriptor {
            platform: Some(platform),
            ..Descriptor::of(mt::OCI_MANIFEST, &manifest)
        };
        blobs.insert(descriptor.digest.clone(), document(manifest, 0));
        for tag in &image.tags {
            let name = tag.tag().unwrap_or_default().to_string();
            let top = diff_ids
                .last()
                .map(|d| d.hex().to_string())
                .unwrap_or_default();
            repositories
                .entry(tag.familiar_name())
                .or_default()
                .insert(name.clone(), top);
            let notes = BTreeMap::from([
                ("io.containerd.image.name".to_string(), tag.to_string()),
                ("org.opencontainers.image.ref.name".to_string(), name),
            ]);
            index.push(Descriptor {
                annotations: Some(notes),
                ..descriptor.clone()
            });
        }
        if image.tags.is_empty() {
            index.push(descriptor);
        }
        let tags: Vec<String> = image.tags.iter().map(Reference::familiar).collect();
        items.push(Item {
            config: blob_path(&id.0),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers: diff_ids.iter().map(|d| blob_path(&d.0)).collect(),
            parent: image.parent.clone(),
            layer_sources: sources,
        });
    }

    let mut out = Vec::new();
    directory(&mut out, "blobs/", directory_time);
    directory(&mut out, "blobs/sha256/", directory_time);
    for (digest, blob) in blobs {
        file(&mut out, &blob_path(&digest), blob);
    }
    file(
        &mut out,
        "index.json",
        document(index_bytes(mt::OCI_INDEX, &index).into(), 0),
    );
    file(&mut out, "manifest.json", document(line(&items), 0));
    file(
        &mut out,
        "oci-layout",
        document(Bytes::from_static(br#"{"imageLayoutVersion": "1.0.0"}"#), 0),
    );
    if !repositories.is_empty() {
        file(&mut out, "repositories", document(line(&repositories), 0));
    }
    out.push(Piece::Bytes(Bytes::from_static(&[0; 1024])));
    out
}

/// As Go's `json.Encoder` writes: with a newline.
fn line<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = to_bytes(value);
    bytes.push(b'\n');
    bytes.into()
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn document(bytes: Bytes, mtime: u64) -> (Piece, u64, u64) {
    let size = bytes.len() as u64;
    (Piece::Bytes(bytes), size, mtime)
}

fn directory(out: &mut Vec<Piece>, name: &str, mtime: u64) {
    let mut header = header(name, 0, 0o755, mtime);
    header.set_entry_type(EntryType::Directory);
    header.set_cksum();
    out.push(Piece::Bytes(Bytes::copy_from_slice(header.as_bytes())));
}

fn file(out: &mut Vec<Piece>, name: &str, (contents, size, mtime): (Piece, u64, u64)) {
    let header = header(name, size, 0o644, mtime);
    out.push(Piece::Bytes(Bytes::copy_from_slice(header.as_bytes())));
    out.push(contents);
    // Less than a block.
    let padding = (size.next_multiple_of(512) - size) as usize;
    if padding > 0 {
        let zeros = Bytes::from_static(&[0; 512]);
        out.push(Piece::Bytes(zeros.slice(..padding)));
    }
}

fn header(name: &str, size: u64, mode: u32, mtime: u64) -> Header {
    let mut header = Header::new_ustar();
    let field = &mut header.as_old_mut().name;
    let len = name.len().min(field.len());
    field[..len].copy_from_slice(&name.as_bytes()[..len]);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    header
}
