//! COPY and ADD.

use bottleship_dockerfile::instruction::{Add, Copy, Sources};
use bottleship_dockerfile::path;
use bottleship_oci::DiffId;
use bottleship_vfs::InodeRef;

use super::commit::one_word_comment_config;
use super::process::needs_buildkit;
use super::{BuildError, Builder, Result, State};
use crate::api::ApiError;
use crate::build::place::{PlaceError, Placement, Selected, select};
use crate::build::transfer::Options;
use crate::build::{download, hash, users};
use crate::clock::random_id;
use crate::snapshot::Snapshotter;

/// A source with its hash; archives from the web are not unpacked.
struct Source {
    selected: Selected,
    hash: String,
    remote: bool,
}

impl Builder<'_> {
    pub(super) async fn add(&mut self, state: &mut State, add: &Add) -> Result<()> {
        for (given, flag) in [
            (add.sources.link, "--link"),
            (add.keep_git_dir.is_some(), "--keep-git-dir"),
            (!add.checksum.is_empty(), "--checksum"),
            (add.unpack.is_some(), "--unpack"),
        ] {
            if given {
                return Err(needs_buildkit(&format!("{flag} option")));
            }
        }
        self.place(state, "ADD", &add.sources, None, true).await
    }

    pub(super) async fn copy(&mut self, state: &mut State, copy: &Copy) -> Result<()> {
        for (given, flag) in [(copy.sources.link, "--link"), (copy.parents, "--parents")] {
            if given {
                return Err(needs_buildkit(&format!("{flag} option")));
            }
        }
        let from = (!copy.from.is_empty()).then_some(copy.from.as_str());
        self.place(state, "COPY", &copy.sources, from, false).await
    }

    async fn place(
        &mut self,
        state: &mut State,
        keyword: &str,
        sources: &Sources,
        from: Option<&str>,
        add: bool,
    ) -> Result<()> {
        for (given, flag) in [
            (!sources.chmod.is_empty(), "--chmod option"),
            (!sources.exclude.is_empty(), "--exclude option"),
            (!sources.contents.is_empty(), "heredoc syntax"),
        ] {
            if given {
                return Err(needs_buildkit(flag));
            }
        }
        let root = match from {
            Some(from) => self.source_tree(from).await?,
            None => self.context.root().clone(),
        };
        let mut found = Vec::new();
        for path in &sources.paths {
            if path.starts_with("http://") || path.starts_with("https://") {
                found.push(self.remote(path, &sources.dest, add).await?);
                continue;
            }
            let selected = select(&root, path)
                .map_err(|e| failed(keyword, &not_in_context(e, from.is_none())))?;
            for selected in selected {
                let hash = selected
                    .hash()
                    .map_err(|e| failed(keyword, &e.to_string()))?;
                found.push(Source {
                    selected,
                    hash,
                    remote: false,
                });
            }
        }
        if found.is_empty() {
            return Err(failed(keyword, "no source files were specified"));
        }
        if found.len() > 1 && !sources.dest.ends_with('/') {
            return Err(BuildError::invalid(format!(
                "When using {keyword} with more than one source file, the destination must be a directory and end with a /"
            )));
        }
        let hashes: Vec<String> = found.iter().map(|s| s.hash.clone()).collect();
        let hash = match hashes.as_slice() {
            [one] => one.clone(),
            several => hash::list("multi", several),
        };
        let chown = match sources.chown.as_str() {
            "" => String::new(),
            owner => format!("--chown={owner}"),
        };
        let comment = format!("{keyword} {chown}{hash} in {} ", sources.dest);
        let config = one_word_comment_config(&state.config, &comment);
        if self.probe(state, &config).await? {
            return Ok(());
        }
        let dest = destination(&state.config.working_dir, &sources.dest);
        let preserve = from.is_some() && sources.chown.is_empty();
        let limits = self.ports.limits.clone();
        let put = |tree: &InodeRef| -> Result<()> {
            let owner = if preserve {
                None
            } else if sources.chown.is_empty() {
                Some((0, 0))
            } else {
                let ids = users::chown(tree, &sources.chown).map_err(|e| {
                    BuildError::invalid(format!(
                        "unable to convert uid/gid chown string to host mapping: {e}"
                    ))
                })?;
                Some(ids)
            };
            let mut options = Options {
                owner,
                ..Options::default()
            };
            for source in &found {
                // What an archive holds keeps its owners.
                let unpack = add && !source.remote;
                options.owner = owner;
                let placement = Placement {
                    root: tree,
                    dest: &dest,
                    unpack,
                    unpack_owner: None,
                    limits: &limits,
                    options: &options,
                };
                placement
                    .put(&source.selected)
                    .map_err(|e| BuildError::invalid(format!("failed to copy files: {e}")))?;
            }
            Ok(())
        };
        let key = random_id(&*self.ports.entropy);
        let layer = self.changed(state, &key, put).await?;
        self.make_image(state, config, None, layer).await
    }

    async fn remote(&self, url: &str, dest: &str, add: bool) -> Result<Source> {
        if !add {
            return Err(failed("COPY", "source can't be a URL for COPY"));
        }
        let now = self.ports.clock.now();
        let limit = self.ports.limits.archive_bytes;
        let file = download::download(&*self.ports.fetch, url, limit, now)
            .await
            .map_err(|e| failed("ADD", &e.message))?;
        self.output.show("\n").await?;
        if file.name.is_empty() && dest.ends_with('/') {
            let message = format!("cannot determine filename for source {url}");
            return Err(failed("ADD", &message));
        }
        let selected = file.selected()?;
        let hash = selected.hash().map_err(|e| failed("ADD", &e.to_string()))?;
        Ok(Source {
            selected,
            hash,
            remote: true,
        })
    }

    /// Changes the stage's file system and makes a layer of what changed.
    pub(super) async fn changed(
        &self,
        state: &State,
        key: &str,
        change: impl FnOnce(&InodeRef) -> Result<()>,
    ) -> Result<Option<DiffId>> {
        let snapshots = &*self.ports.snapshots;
        let top = state
            .image
            .as_ref()
            .and_then(|i| i.config.config.chain_id());
        let rootfs = snapshots.prepare(key, top.as_ref()).await;
        let rootfs = rootfs.map_err(ApiError::from)?;
        let done = match change(&rootfs.tree) {
            Ok(()) => committed(snapshots, key).await,
            Err(e) => Err(e),
        };
        // Whatever happened, nobody needs it any more.
        let removed = snapshots.remove(key).await;
        let layer = done?;
        removed.map_err(ApiError::from)?;
        Ok(layer)
    }
}

async fn committed(snapshots: &dyn Snapshotter, key: &str) -> Result<Option<DiffId>> {
    let layer = snapshots.commit(key).await.map_err(ApiError::from)?;
    Ok(layer.map(|l| l.diff_id))
}

fn failed(keyword: &str, message: &str) -> BuildError {
    BuildError::invalid(format!("{keyword} failed: {message}"))
}

fn not_in_context(error: PlaceError, context: bool) -> String {
    match error {
        PlaceError::Missing(_) if context => {
            format!("file not found in build context or excluded by .dockerignore: {error}")
        }
        error => error.to_string(),
    }
}

/// The destination, absolute; whether it ends in a slash stays.
fn destination(workdir: &str, dest: &str) -> String {
    let slash = dest.ends_with('/');
    let full = path::normalize(workdir, dest, false);
    if slash && !full.ends_with('/') {
        format!("{full}/")
    } else {
        full
    }
}
