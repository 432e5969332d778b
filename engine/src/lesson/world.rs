//! A Docker host as the checks of lessons see it.

use std::rc::Rc;

use async_trait::async_trait;
use bottleship_lesson::{Entry, FileState, Output, Setup, World, WorldError};
use bottleship_vfs::{
    Creds, Errno, FileSystem, InodeRef, MountFlags, MountNs, Path, ResolveFlags, Statfs, Walk,
};
use serde_json::Value;

use super::UNLOGGED;
use crate::api::stdcopy::Demux;
use crate::api::{ApiError, Request};
use crate::container::archive;
use crate::emulated::DockerHost;

/// Bytes of a document, and of a file.
const MAX_DOCUMENT: usize = 16 << 20;
const MAX_FILE: usize = 256 << 10;
/// Lines and bytes of a container's output.
const MAX_LOG_LINES: usize = 2000;
const MAX_LOG: usize = 1 << 20;
/// How long a line may run, in seconds.
const SECONDS: u32 = 20;

/// A host to look at.
pub struct HostWorld(pub DockerHost);

fn failed(error: impl std::fmt::Display) -> WorldError {
    WorldError(error.to_string())
}

/// One tree as a file system: what a path is resolved in.
struct Tree(InodeRef);

impl FileSystem for Tree {
    fn root(&self) -> InodeRef {
        self.0.clone()
    }

    fn statfs(&self) -> bottleship_vfs::Result<Statfs> {
        Ok(Statfs::default())
    }

    fn kind(&self) -> &'static str {
        "overlay"
    }

    fn dev(&self) -> u64 {
        0
    }
}

/// A file's first bytes; a directory's names.
fn read(file: &Path) -> Result<FileState, Errno> {
    let attr = file.attr()?;
    let inode = file.inode();
    let mut bytes = Vec::new();
    if attr.is_dir() {
        inode.readdir(0, &mut |entry| {
            bytes.extend_from_slice(entry.name);
            bytes.push(b'\n');
            bytes.len() < MAX_FILE
        })?;
        return Ok(FileState { bytes });
    }
    let size = usize::try_from(attr.size).unwrap_or(MAX_FILE).min(MAX_FILE);
    bytes.resize(size, 0);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match inode.read_at(filled as u64, rest)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(FileState { bytes })
}

fn in_mounts(mounts: &Rc<MountNs>, path: &str) -> Result<Option<FileState>, WorldError> {
    let (root, creds) = (mounts.root(), Creds::root());
    let walk = Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    };
    match walk.resolve(path.as_bytes(), ResolveFlags::FOLLOW) {
        Ok(found) => read(&found).map(Some).map_err(failed),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(WorldError(format!("{path}: {errno}"))),
    }
}

fn in_tree(fs: Rc<dyn FileSystem>, path: &str) -> Result<Option<FileState>, WorldError> {
    in_mounts(&MountNs::new(fs, "overlay", MountFlags::empty()), path)
}

/// A path of the host's: relative ones are in root's home.
fn absolute(path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/root/{path}"),
    }
}

/// Nothing when the error is that it is not there.
fn none_if_missing<T>(result: Result<T, ApiError>) -> Result<Option<T>, WorldError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind.status() == http::StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

#[async_trait(?Send)]
impl World for HostWorld {
    async fn get(&self, path: &str) -> Result<Option<Value>, WorldError> {
        let response = self.0.engine().handle(Request::get(path)).await;
        let status = response.status;
        let body = response.body.collect(MAX_DOCUMENT).await.map_err(failed)?;
        if status == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(WorldError(format!(
                "{path}: {}",
                String::from_utf8_lossy(&body)
            )));
        }
        serde_json::from_slice(&body).map(Some).map_err(failed)
    }

    async fn logs(&self, container: &str) -> Result<String, WorldError> {
        let tty = self
            .get(&format!("/containers/{container}/json"))
            .await?
            .is_some_and(|document| document["Config"]["Tty"].as_bool().unwrap_or_default());
        let target = format!("/containers/{container}/logs?stdout=1&stderr=1&tail={MAX_LOG_LINES}");
        let response = self.0.engine().handle(Request::get(target)).await;
        let body = response.body.collect(MAX_LOG).await.map_err(failed)?;
        if tty {
            return Ok(String::from_utf8_lossy(&body).into_owned());
        }
        let frames = Demux::default().push(&body).map_err(failed)?;
        let text: Vec<u8> = frames
            .iter()
            .flat_map(|(_, payload)| payload.to_vec())
            .collect();
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    async fn image_file(&self, image: &str, path: &str) -> Result<Option<FileState>, WorldError> {
        let engine = self.0.engine();
        let Some(image) = none_if_missing(engine.images().find(image))? else {
            return Ok(None);
        };
        let top = image.top();
        let tree = engine
            .ports()
            .snapshots
            .view(top.as_ref())
            .await
            .map_err(failed)?;
        in_tree(Rc::new(Tree(tree)), path)
    }

    async fn container_file(
        &self,
        container: &str,
        path: &str,
    ) -> Result<Option<FileState>, WorldError> {
        let engine = self.0.engine();
        let Some(container) = none_if_missing(engine.containers().find(container))? else {
            return Ok(None);
        };
        let mounts = archive::mounts(engine, &container).await.map_err(failed)?;
        in_mounts(&mounts, path)
    }

    async fn volume_file(&self, volume: &str, path: &str) -> Result<Option<FileState>, WorldError> {
        let tree = self
            .0
            .engine()
            .ports()
            .volumes
            .open(volume)
            .await
            .map_err(failed)?;
        in_tree(Rc::new(tree), path)
    }

    async fn host_file(&self, path: &str) -> Result<Option<FileState>, WorldError> {
        in_mounts(self.0.mounts(), &absolute(path))
    }

    async fn run(&self, line: &str) -> Result<Output, WorldError> {
        let line = line.replace('\'', r"'\''");
        let line = format!("{UNLOGGED}=1 timeout -s KILL {SECONDS} /bin/sh -c '{line}'");
        let output = self.0.exec(&line).await.map_err(WorldError)?;
        Ok(Output {
            code: output.code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn commands(&self) -> Vec<Entry> {
        self.0.commands().entries()
    }
}

/// Prepares a fresh host: forgets what was entered, writes the files, runs the lines. What is entered meanwhile counts: a
/// learner need not wait for it.
///
/// # Errors
/// Which line failed, with what it said.
pub async fn set_up(host: &DockerHost, setup: &Setup) -> Result<(), String> {
    host.commands().clear();
    for (path, text) in &setup.files {
        let path = absolute(path);
        host.write_file(&path, text.as_bytes())
            .map_err(|errno| format!("writing {path}: {errno}"))?;
    }
    for line in &setup.lines {
        let output = host.exec(&format!("export {UNLOGGED}=1; {line}")).await?;
        if output.code != 0 {
            let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!(
                "`{line}` ended with exit code {}: {error}",
                output.code
            ));
        }
    }
    Ok(())
}
