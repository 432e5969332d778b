//! `docker load`.

use std::io::BufReader;

use bottleship_oci::archive::{self, ArchiveError, ArchivedImage};
use bottleship_oci::document::MAX_DOCUMENT;
use bottleship_oci::members::{Contents, MAX_MEMBERS, Members, tar_failure};
use bottleship_oci::{ChainId, Digest, ImageConfig, ImageId, Reference};
use bytes::BytesMut;
use futures::StreamExt;

use super::state::Batch;
use super::{Images, PinGuard, Progress, blob};
use crate::api::{ApiError, Body};
use crate::content::{CHUNK, Cursor};
use crate::layer::{
    Coming, Compression, Decompressor, Kind, LayerError, Limits, Reader, Reading, Source, TRUNCATED,
};
use crate::snapshot::SnapshotError;

/// Bytes that tell a compression.
const MAGIC: usize = 6;

/// Bytes of a member that is held, as documents are; larger ones go to the content store.
const HELD: u64 = MAX_DOCUMENT as u64;
/// Bytes of all that are held; what is beyond goes to the content store, too.
const ALL_HELD: u64 = 64 << 20;

/// An archive's members, the large ones in the content store.
struct Unpacked {
    members: Members,
    stored: Vec<Digest>,
}

impl Images {
    /// Loads the images of an archive (compressed or not), reporting each. An image exists with its
    /// names only once all of its layers do.
    pub async fn load(
        &self,
        archive: impl Into<Body>,
        quiet: bool,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let mut unpacked = Unpacked {
            members: Members::default(),
            stored: Vec::new(),
        };
        let mut pins = Vec::new();
        let loaded = match self
            .unpack_archive(archive.into(), &mut unpacked, &mut pins)
            .await
        {
            Ok(()) => {
                let Unpacked { members, stored } = &mut unpacked;
                self.load_members(members, stored, quiet, progress).await
            }
            Err(error) => Err(error),
        };
        drop(pins);
        self.drop_unused(unpacked.stored).await?;
        loaded
    }

    /// Puts an archive's members where they can be read, as they come.
    async fn unpack_archive(
        &self,
        body: Body,
        unpacked: &mut Unpacked,
        pins: &mut Vec<PinGuard>,
    ) -> Result<(), ApiError> {
        let limit = self.settings().max_blob;
        let mut stream = body.into_stream();
        let mut head = BytesMut::new();
        while head.len() < MAGIC
            && let Some(chunk) = stream.next().await
        {
            head.extend_from_slice(&chunk?);
        }
        let head = head.freeze();
        let compressed = Compression::detect(&head) != Compression::None;
        let stream = Box::pin(futures::stream::once(async move { Ok(head) }).chain(stream));
        if !compressed {
            return self.members(Coming(stream), unpacked, pins).await;
        }
        let content = &*self.ports().content;
        let spooled = blob::spool(content, Body::Stream(stream), limit).await?;
        let source = BufReader::with_capacity(CHUNK, Cursor::new(spooled));
        let plain = Decompressor::new(source).map_err(|e| ApiError::invalid(e.to_string()))?;
        self.members(Reading(plain), unpacked, pins).await
    }

    async fn members(
        &self,
        source: impl Source,
        unpacked: &mut Unpacked,
        pins: &mut Vec<PinGuard>,
    ) -> Result<(), ApiError> {
        let limits = Limits {
            archive_bytes: self.settings().max_blob,
            // The members' own limit speaks first.
            entries: 4 * MAX_MEMBERS as u64,
            ..Limits::default()
        };
        let mut reader = Reader::new(source, &limits);
        let mut all_held = 0;
        while let Some(entry) = reader.next().await.map_err(bad_tar)? {
            let members = &mut unpacked.members;
            match entry.kind {
                Kind::File if entry.size <= HELD && all_held + entry.size <= ALL_HELD => {
                    all_held += entry.size;
                    let mut bytes = Vec::new();
                    loop {
                        let piece = reader.content().await.map_err(bad_tar)?;
                        if piece.is_empty() {
                            break;
                        }
                        bytes.extend_from_slice(&piece);
                    }
                    members.add_file(&entry.name, Contents::Held(bytes.into()))
                }
                Kind::File => {
                    let mut writer = self.ports().content.writer();
                    loop {
                        let piece = reader.content().await.map_err(bad_tar)?;
                        if piece.is_empty() {
                            break;
                        }
                        writer.write(piece).await?;
                    }
                    let digest = writer.seal().await?;
                    pins.push(self.pin(Vec::new(), vec![digest.clone()]));
                    unpacked.stored.push(digest.clone());
                    let size = entry.size;
                    members.add_file(&entry.name, Contents::Stored { digest, size })
                }
                Kind::Symlink => members.add_symlink(&entry.name, &entry.link),
                Kind::HardLink => members.add_hard_link(&entry.name, &entry.link),
                _ => members.add_other(&entry.name),
            }
            .map_err(|e| ApiError::system(e.to_string()))?;
        }
        reader.finish().await.map_err(bad_tar)?;
        Ok(())
    }

    /// Removes content that came to nothing.
    pub(super) async fn drop_unused(&self, stored: Vec<Digest>) -> Result<(), ApiError> {
        if stored.is_empty() {
            return Ok(());
        }
        let layers = self.ports().snapshots.layers().await?;
        for digest in stored {
            let used = layers
                .iter()
                .any(|l| l.blob == digest || l.diff_id.0 == digest);
            if !used && !self.is_pinned_blob(&digest) {
                self.ports().content.delete(&digest).await?;
            }
        }
        Ok(())
    }

    async fn load_members(
        &self,
        members: &Members,
        stored: &mut Vec<Digest>,
        quiet: bool,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let images =
            archive::read(members, &self.settings().platform).map_err(|e| self.refusal(e))?;
        let mut ids = String::new();
        let mut named = false;
        let mut parents = Vec::new();
        for image in images {
            if !image
                .config
                .config
                .platform()
                .runs_on(&self.settings().platform)
            {
                let theirs = image.config.config.platform();
                if !theirs.os.eq_ignore_ascii_case("linux") {
                    return Err(ApiError::invalid(format!(
                        "cannot load {} image on linux",
                        theirs.os
                    )));
                }
            }
            let chains = ChainId::chain(&image.config.config.rootfs.diff_ids);
            let blobs = image.layers.iter().map(Contents::digest).collect();
            let _pin = self.pin(chains.clone(), blobs);
            let quiet_progress = if quiet {
                Progress::none()
            } else {
                progress.clone()
            };
            self.load_layers(&image, &chains, stored, &quiet_progress)
                .await?;
            let id = image.config.id();
            for tag in &image.tags {
                self.announce_rename(tag, &id, progress).await?;
            }
            let batch = self.registration(image.config.clone(), None, &image.tags, false, None);
            self.commit_batch(batch).await?;
            for tag in &image.tags {
                progress
                    .stream(format!("Loaded image: {}\n", tag.familiar()))
                    .await?;
            }
            self.emit("load", id.as_str(), id.as_str());
            ids.push_str(&format!("Loaded image ID: {id}\n"));
            named = !image.tags.is_empty();
            parents.push((id, image.parent));
        }
        for (id, parent) in parents {
            if let Some(parent) = parent {
                self.set_parent(&id, parent).await?;
            }
        }
        if !named && !ids.is_empty() {
            progress.stream(ids).await?;
        }
        Ok(())
    }

    async fn load_layers(
        &self,
        image: &ArchivedImage,
        chains: &[ChainId],
        stored: &mut Vec<Digest>,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        let diff_ids = &image.config.config.rootfs.diff_ids;
        let snapshots = &self.ports().snapshots;
        let mut parent: Option<&ChainId> = None;
        for (i, ((chain, diff_id), layer)) in
            chains.iter().zip(diff_ids).zip(&image.layers).enumerate()
        {
            if snapshots.layer(chain).await?.is_none() {
                let size = layer.size();
                progress
                    .at(
                        diff_id.short(),
                        "Loading layer",
                        size.min(super::progress::STEP),
                        size,
                    )
                    .await?;
                let blob = match layer {
                    Contents::Held(bytes) => {
                        let blob = self.ports().content.put(bytes.clone()).await?;
                        stored.push(blob.clone());
                        blob
                    }
                    Contents::Stored { digest, .. } => digest.clone(),
                };
                let applied = snapshots.apply_checked(parent, &blob, diff_id).await;
                applied.map_err(|error| match error {
                    SnapshotError::WrongDiff { got } => ApiError::system(format!(
                        "invalid diffID for layer {i}: expected \"{diff_id}\", got \"{got}\""
                    )),
                    error => error.into(),
                })?;
                progress
                    .at(diff_id.short(), "Loading layer", size, size)
                    .await?;
            }
            parent = Some(chain);
        }
        Ok(())
    }

    async fn announce_rename(
        &self,
        tag: &Reference,
        id: &ImageId,
        progress: &Progress,
    ) -> Result<(), ApiError> {
        match self.named(tag).filter(|old| old != id) {
            Some(old) => {
                let text = format!(
                    "The image {} already exists, renaming the old one with ID {old} to empty string\n",
                    tag.familiar()
                );
                progress.stream(text).await
            }
            None => Ok(()),
        }
    }

    async fn set_parent(&self, id: &ImageId, parent: ImageId) -> Result<(), ApiError> {
        let (Some(image), Some(base)) = (self.get(id), self.get(&parent)) else {
            return Ok(());
        };
        if !is_step(&base.config.config, &image.config.config) {
            return Err(ApiError::system(format!(
                "image {parent} is not a valid parent for {id}"
            )));
        }
        let mut image = (*image).clone();
        image.parent = Some(parent);
        self.commit_batch(Batch::default().image(image)).await
    }

    /// Docker's words for an archive that cannot be loaded.
    fn refusal(&self, error: ArchiveError) -> ApiError {
        let ArchiveError::NoManifest = error else {
            return ApiError::invalid(error.to_string());
        };
        let mut random = [0; 4];
        self.ports().entropy.fill(&mut random);
        ApiError::system(format!(
            "open /var/lib/docker/tmp/docker-import-{}/repositories: no such file or directory",
            u32::from_le_bytes(random)
        ))
    }
}

/// What is wrong with an archive, in Docker's words where it has some.
fn bad_tar(error: LayerError) -> ApiError {
    let failure = match &error {
        LayerError::Malformed { reason, .. } if *reason == TRUNCATED => tar_failure(None),
        LayerError::Malformed { reason, .. } => tar_failure(Some(reason)),
        _ => return ApiError::invalid(error.to_string()),
    };
    ApiError::system(failure.to_string())
}

/// Whether `child`'s history is `parent`'s and one more step.
fn is_step(parent: &ImageConfig, child: &ImageConfig) -> bool {
    match (parent.history.as_slice(), child.history.as_slice()) {
        ([], []) => true,
        (old, [start @ .., _]) => old == start,
        _ => false,
    }
}
