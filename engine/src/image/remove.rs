//! `docker rmi`, with Docker's rules about what stands in the way.

use std::future::Future;
use std::pin::Pin;

use bottleship_oci::{ImageId, Reference};

use super::state::Batch;
use super::{ImageUser, Images, lookup};
use crate::api::ApiError;
use crate::api::types::ImageDelete;

/// Which conflicts to look for.
#[derive(Clone, Copy)]
struct Conflicts {
    references: bool,
    stopped: bool,
}

impl Images {
    /// Removes a name, and the image with it if that was its last one; or an image by id. Says what
    /// went, in Docker's order: names, the image, its layers from the top, then its parents
    /// (`prune`) that nothing else needs.
    pub async fn remove(
        &self,
        name: &str,
        force: bool,
        prune: bool,
        users: &[ImageUser],
    ) -> Result<Vec<ImageDelete>, ApiError> {
        let id = self.find(name)?.id();
        let references = self.references(&id);
        let mut records = Vec::new();
        let by_id = lookup::is_id_prefix(&id, name);
        if by_id {
            if is_single(&references) {
                self.check(
                    &id,
                    Conflicts {
                        references: false,
                        stopped: !force,
                    },
                    users,
                )
                .map_err(|(e, _)| e)?;
                self.untag(&id, &references, &mut records).await?;
            }
        } else {
            let user = users.iter().find(|u| u.image == id);
            if let Some(user) = user.filter(|_| !force && is_single(&references)) {
                return Err(ApiError::conflict(format!(
                    "conflict: unable to remove repository reference {name:?} (must force) - container {} is using its referenced image {}",
                    short(&user.container),
                    id.short()
                )));
            }
            let given = lookup::parse(name)?.with_default_tag();
            let mut gone = vec![given.clone()];
            if given.digest().is_none() {
                let left = |r: &&Reference| **r != given && r.same_repository(&given);
                let (digests, tags): (Vec<&Reference>, Vec<&Reference>) = references
                    .iter()
                    .filter(left)
                    .partition(|r| r.digest().is_some());
                if tags.is_empty() {
                    gone.extend(digests.into_iter().cloned());
                }
            }
            self.untag(&id, &gone, &mut records).await?;
            if !self.references(&id).is_empty() {
                return Ok(records);
            }
        }
        self.delete(id, &mut records, force, prune, !by_id, users)
            .await?;
        Ok(records)
    }

    /// Deletes an image and then, `prune`, its parents. With `quiet`, a conflict of an image that
    /// is needed elsewhere just leaves it.
    fn delete<'a>(
        &'a self,
        id: ImageId,
        records: &'a mut Vec<ImageDelete>,
        force: bool,
        prune: bool,
        quiet: bool,
        users: &'a [ImageUser],
    ) -> Pin<Box<dyn Future<Output = Result<(), ApiError>> + 'a>> {
        Box::pin(async move {
            let (mut id, mut force, mut quiet) = (id, force, quiet);
            loop {
                let mask = Conflicts {
                    references: !force,
                    stopped: !force,
                };
                if let Err((conflict, used)) = self.check(&id, mask, users) {
                    let dangling = self.references(&id).is_empty() && self.children(&id).is_empty();
                    return if quiet && (!dangling || used) {
                        Ok(())
                    } else {
                        Err(conflict)
                    };
                }
                let Some(image) = self.get(&id) else {
                    return Ok(());
                };
                self.untag(&id, &self.references(&id), records).await?;
                self.commit_batch(Batch::default().without_image(id.clone()))
                    .await?;
                self.emit("delete", id.as_str(), id.as_str());
                records.push(deleted(id.as_str()));
                for chain in self.release(&image.chains()).await? {
                    records.push(deleted(chain.as_str()));
                }
                match image.parent.clone() {
                    Some(parent) if prune && self.get(&parent).is_some() => {
                        (id, force, quiet) = (parent, false, true);
                    }
                    _ => return Ok(()),
                }
            }
        })
    }

    async fn untag(
        &self,
        id: &ImageId,
        references: &[Reference],
        records: &mut Vec<ImageDelete>,
    ) -> Result<(), ApiError> {
        for reference in references {
            self.commit_batch(Batch::default().without_reference(reference.clone()))
                .await?;
            self.emit("untag", id.as_str(), id.as_str());
            records.push(ImageDelete {
                untagged: reference.familiar(),
                ..Default::default()
            });
        }
        Ok(())
    }

    /// The first conflict, and whether it is a container that uses the image.
    fn check(
        &self,
        id: &ImageId,
        mask: Conflicts,
        users: &[ImageUser],
    ) -> Result<(), (ApiError, bool)> {
        let conflict = |hard: bool, why: String| {
            let force = if hard {
                "cannot be forced"
            } else {
                "must be forced"
            };
            ApiError::conflict(format!(
                "conflict: unable to delete {} ({force}) - {why}",
                id.short()
            ))
        };
        let user = |running| {
            users
                .iter()
                .find(|u| u.image == *id && u.running == running)
        };
        if !self.children(id).is_empty() {
            return Err((
                conflict(true, "image has dependent child images".into()),
                false,
            ));
        }
        if let Some(user) = user(true) {
            let why = format!(
                "image is being used by running container {}",
                short(&user.container)
            );
            return Err((conflict(true, why), true));
        }
        if mask.references && !self.references(id).is_empty() {
            return Err((
                conflict(false, "image is referenced in multiple repositories".into()),
                false,
            ));
        }
        if let Some(user) = user(false).filter(|_| mask.stopped) {
            let why = format!(
                "image is being used by stopped container {}",
                short(&user.container)
            );
            return Err((conflict(false, why), true));
        }
        Ok(())
    }
}

fn deleted(id: &str) -> ImageDelete {
    ImageDelete {
        deleted: id.into(),
        ..Default::default()
    }
}

fn short(container: &str) -> &str {
    container.get(..12).unwrap_or(container)
}

/// Whether all references are of one repository with at most one tag among them.
fn is_single(references: &[Reference]) -> bool {
    let (digests, tags): (Vec<&Reference>, Vec<&Reference>) =
        references.iter().partition(|r| r.digest().is_some());
    match (references.len(), tags.as_slice()) {
        (0, _) => false,
        (1, _) => true,
        (_, []) => digests.iter().all(|d| d.same_repository(digests[0])),
        (_, [tag]) => digests.iter().all(|d| d.same_repository(tag)),
        _ => false,
    }
}
