//! `docker cp` and `docker export`: a container's files, with its volumes mounted.

use std::rc::Rc;

use bottleship_abi::mode::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFSOCK};
use bottleship_vfs::{
    Attr, Creds, Errno, FileSystem, InodeRef, MountFlags, MountNs, Path, ResolveFlags, Walk,
};

use super::mounts::clean_path;
use super::store::Container;
use crate::api::types::{ContainerPathStat, Timestamp};
use crate::api::{ApiError, Body, BodyError};
use crate::dirs::FileTree;
use crate::engine::Engine;
use crate::image::blob;
use crate::layer::{
    ArchiveOptions, ExtractOptions, LayerError, Limits, Packed, extract_from, pack,
};
use crate::runtime::MountSource;
use crate::volume::LocalMount;

/// How to unpack.
#[derive(Clone, Copy, Debug, Default)]
pub struct PutOptions {
    /// Refuse to replace a directory with something else, and the other way around.
    pub no_overwrite_dir_non_dir: bool,
    /// Give everything to the container's user.
    pub copy_uid_gid: bool,
}

/// The file at an absolute path of a tree, following links within it.
pub fn resolve_in(fs: &Rc<dyn FileSystem>, path: &str) -> Option<InodeRef> {
    let mounts = MountNs::new(fs.clone(), "overlay", MountFlags::empty());
    resolve(&mounts, path, ResolveFlags::FOLLOW)
        .ok()
        .map(|found| found.inode().clone())
}

/// Makes a directory of a tree with its parents, as dockerd does for a
/// container's working directory.
pub fn make_dirs(fs: &Rc<dyn FileSystem>, path: &str) -> Result<(), Errno> {
    let mounts = MountNs::new(fs.clone(), "overlay", MountFlags::empty());
    let (root, creds) = (mounts.root(), Creds::root());
    let walk = Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    };
    let path = clean_path(path);
    let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
    for end in ends.chain([path.len()]) {
        let part = path.get(..end).unwrap_or(&path).as_bytes();
        match walk.resolve(part, ResolveFlags::FOLLOW) {
            Ok(found) if found.attr()?.is_dir() => {}
            Ok(_) => return Err(Errno::ENOTDIR),
            Err(Errno::ENOENT) => drop(walk.mkdir(part, 0o755)?),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn resolve(mounts: &MountNs, path: &str, flags: ResolveFlags) -> Result<Path, Errno> {
    let root = mounts.root();
    let creds = Creds::root();
    Walk {
        root: &root,
        cwd: &root,
        creds: &creds,
    }
    .resolve(path.as_bytes(), flags)
}

/// A container's files.
struct Files {
    mounts: Rc<MountNs>,
    root: InodeRef,
    /// Destination, files, whether they may be written.
    volumes: Vec<(String, FileTree, bool)>,
}

async fn open(engine: &Engine, container: &Container) -> Result<Files, ApiError> {
    let (id, points) = {
        let record = container.record();
        (record.id.clone(), record.mounts.clone())
    };
    let rootfs = engine.ports().snapshots.rootfs(&id).await?;
    let mounts = MountNs::new(rootfs.fs.clone(), "overlay", MountFlags::empty());
    let networked = container.record().clone();
    let (_, files) = super::spec::network_files(engine, &networked).await?;
    for file in files {
        if let (MountSource::Tree(tree), Ok(at)) = (
            file.source,
            resolve(&mounts, &file.target, ResolveFlags::FOLLOW),
        ) {
            // Without it the empty file below is seen, as in a container that never ran.
            let _ = mounts.mount(&at, Rc::new(tree), "ext4", MountFlags::empty());
        }
    }
    let mut volumes = Vec::new();
    for point in points {
        let tree = match point.r#type.as_str() {
            "volume" => match engine.volumes().local_mount(&point.name) {
                None => Some(engine.ports().volumes.open(&point.name).await?),
                Some(LocalMount::Bind(device)) => engine.ports().host.open(&device).await?,
                Some(LocalMount::Tmpfs(..)) => None,
            },
            "bind" => engine.ports().host.open(&point.source).await?,
            _ => None,
        };
        let Some(tree) = tree else { continue };
        // As dockerd, which makes the mount points of a container that never ran for `cp`, too.
        if tree.root.attr().is_ok_and(|attr| attr.is_dir()) {
            make_dirs(&rootfs.fs, &point.destination)
                .map_err(|errno| ApiError::system(format!("{}: {errno}", point.destination)))?;
        }
        if let Ok(at) = resolve(&mounts, &point.destination, ResolveFlags::FOLLOW) {
            let mounted = mounts.mount(&at, Rc::new(tree.clone()), "volume", MountFlags::empty());
            if mounted.is_ok() {
                volumes.push((point.destination.clone(), tree, point.rw));
            }
        }
    }
    Ok(Files {
        mounts,
        root: rootfs.tree,
        volumes,
    })
}

/// A container's file tree with its volumes and bind mounts, to look at.
pub async fn mounts(engine: &Engine, container: &Container) -> Result<Rc<MountNs>, ApiError> {
    Ok(open(engine, container).await?.mounts)
}

fn not_found(path: &str, reference: &str) -> ApiError {
    ApiError::not_found(format!(
        "Could not find the file {path} in container {reference}"
    ))
}

fn layer_error(error: LayerError) -> ApiError {
    ApiError::system(error.to_string())
}

/// Whether the last component itself is meant, not what it links to.
fn flags_of(path: &str) -> ResolveFlags {
    if path.ends_with('/') || path.ends_with("/.") {
        ResolveFlags::FOLLOW
    } else {
        ResolveFlags::empty()
    }
}

/// What is at a path.
pub async fn stat(
    engine: &Engine,
    container: &Container,
    reference: &str,
    path: &str,
) -> Result<ContainerPathStat, ApiError> {
    let files = open(engine, container).await?;
    stat_in(&files, reference, path).map(|(stat, _)| stat)
}

fn stat_in(
    files: &Files,
    reference: &str,
    path: &str,
) -> Result<(ContainerPathStat, Path), ApiError> {
    let absolute = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let found = resolve(&files.mounts, &absolute, flags_of(path))
        .map_err(|_| not_found(path, reference))?;
    let attr = found.attr().map_err(|_| not_found(path, reference))?;
    let link_target = if attr.is_symlink() {
        let target = resolve(&files.mounts, &absolute, ResolveFlags::FOLLOW);
        let root = files.mounts.root();
        target
            .map(|target| String::from_utf8_lossy(&target.path_from(&root).0).into_owned())
            .unwrap_or_default()
    } else {
        String::new()
    };
    let stat = ContainerPathStat {
        name: base_name(&absolute),
        size: i64::try_from(attr.size).unwrap_or(i64::MAX),
        mode: go_mode(&attr),
        mtime: Timestamp::from_nanos(attr.mtime.as_nanos()),
        link_target,
    };
    Ok((stat, found))
}

/// Go's `filepath.Base`, which keeps a final dot.
fn base_name(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        None | Some("") => "/".into(),
        Some(name) => name.to_owned(),
    }
}

/// Go's `os.FileMode`.
fn go_mode(attr: &Attr) -> u32 {
    let kind = match attr.kind() {
        S_IFDIR => 1 << 31,
        S_IFLNK => 1 << 27,
        S_IFBLK => 1 << 26,
        S_IFCHR => 1 << 26 | 1 << 21,
        S_IFIFO => 1 << 25,
        S_IFSOCK => 1 << 24,
        _ => 0,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special: u32 = special
        .iter()
        .filter(|(bit, _)| attr.mode & bit != 0)
        .map(|(_, go)| go)
        .sum();
    kind | special | attr.mode & 0o777
}

/// What is at a path, as a tar.
pub async fn get(
    engine: &Engine,
    container: &Container,
    reference: &str,
    path: &str,
) -> Result<(ContainerPathStat, Body), ApiError> {
    let files = open(engine, container).await?;
    let (stat, found) = stat_in(&files, reference, path)?;
    if path.ends_with("/.") && !found.attr().is_ok_and(|attr| attr.is_dir()) {
        return Err(ApiError::invalid("not a directory"));
    }
    // Clients give what is in `dir/.` another name by replacing the dot that every entry begins with.
    let name = match stat.name.as_str() {
        "/" => ".".to_owned(),
        "." => "./".to_owned(),
        name => name.to_owned(),
    };
    let options = ArchiveOptions {
        name: name.into_bytes(),
        exclude: Vec::new(),
    };
    let packed = pack(found.inode(), &options).map_err(layer_error)?;
    container.emit(engine, "archive-path", &[]);
    Ok((stat, body(packed)))
}

/// An archive that is read while it is sent.
fn body(packed: Packed) -> Body {
    Body::stream(futures::stream::try_unfold(packed, async |mut packed| {
        let piece = packed.next_piece();
        let piece = piece.map_err(|e| BodyError::Failed(e.to_string()))?;
        Ok(piece.map(|piece| (piece, packed)))
    }))
}

/// Unpacks a tar in a directory.
pub async fn put(
    engine: &Engine,
    container: &Container,
    reference: &str,
    path: &str,
    tar: Body,
    options: PutOptions,
) -> Result<(), ApiError> {
    let files = open(engine, container).await?;
    let absolute = clean_path(path);
    let found = resolve(&files.mounts, &absolute, ResolveFlags::FOLLOW)
        .map_err(|_| not_found(path, reference))?;
    if !found.attr().is_ok_and(|attr| attr.is_dir()) {
        return Err(ApiError::invalid("extraction point is not a directory"));
    }
    let (at, _) = found.path_from(&files.mounts.root());
    let at = String::from_utf8_lossy(&at).into_owned();
    let inside =
        |destination: &str| at == destination || at.starts_with(&format!("{destination}/"));
    let volume = files
        .volumes
        .iter()
        .filter(|(to, _, _)| inside(to))
        .max_by_key(|(to, _, _)| to.len());
    let (root, below) = match volume {
        Some((_, _, false)) => {
            return Err(ApiError::forbidden("mounted volume is marked read-only"));
        }
        Some((to, tree, true)) => (&tree.root, at.get(to.len()..).unwrap_or_default()),
        None if container.record().host_config.readonly_rootfs => {
            return Err(ApiError::forbidden("container rootfs is marked read-only"));
        }
        None => (&files.root, at.as_str()),
    };
    let owner = if options.copy_uid_gid {
        numeric_user(&container.record().config.user)
    } else {
        None
    };
    let extract_options = ExtractOptions {
        no_overwrite_dir_non_dir: options.no_overwrite_dir_non_dir,
        owner,
    };
    let limit = engine.config().max_archive as u64;
    let limits = Limits {
        archive_bytes: limit,
        ..Limits::default()
    };
    let content = &*engine.ports().content;
    let tar = blob::spool(content, tar, limit).await?;
    let tar = blob::plain(content, tar, limit)
        .await
        .map_err(|error| ApiError::invalid(error.in_docker_words()))?;
    extract_from(
        &tar,
        root,
        below.trim_matches('/').as_bytes(),
        &limits,
        &extract_options,
    )
    .map_err(|error| ApiError::invalid(error.in_docker_words()))?;
    container.emit(engine, "extract-to-dir", &[]);
    let (id, kept, volumes) = {
        let record = container.record();
        let volumes = record.mounts.iter().filter(|m| m.r#type == "volume");
        let volumes: Vec<String> = volumes.map(|m| m.name.clone()).collect();
        (record.id.clone(), !record.host_config.auto_remove, volumes)
    };
    for volume in volumes {
        engine.ports().volumes.sync(&volume).await?;
    }
    if kept {
        engine.ports().snapshots.sync(&id).await?;
    }
    Ok(())
}

/// `uid[:gid]`; names are left to the archive's own owners.
fn numeric_user(user: &str) -> Option<(u32, u32)> {
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// All files, without volumes, as a tar.
pub async fn export(engine: &Engine, container: &Container) -> Result<Body, ApiError> {
    let rootfs = engine.ports().snapshots.rootfs(&container.id()).await?;
    let packed = pack(&rootfs.tree, &ArchiveOptions::default()).map_err(layer_error)?;
    Ok(body(packed))
}
