//! Steps that change files: WORKDIR, COPY, ADD, heredocs.

use bottleship_dockerfile::convert::{CopyAction, FileAction, Mode};
use bottleship_dockerfile::ignore::Matcher;
use bottleship_dockerfile::path;
use bottleship_vfs::{CreatePerm, InodeRef, NewNode, SetAttr, Time};

use super::cache;
use crate::build::place::{PlaceError, Placement, Selected, has_wildcard, select};
use crate::build::transfer::{Chmod, Options};
use crate::build::tree::{self, TreeError};
use crate::build::{hash, users};
use crate::layer::Limits;

/// A tree that files are copied from.
#[derive(Clone)]
pub struct Source {
    /// Its root.
    pub tree: InodeRef,
    /// The build context: its files belong to root, whoever sent them.
    pub context: bool,
}

/// Why a file step failed, in BuildKit's words.
#[derive(Debug)]
pub struct FileError(pub String);

impl From<TreeError> for FileError {
    fn from(error: TreeError) -> Self {
        FileError(error.to_string())
    }
}

type Result<T> = std::result::Result<T, FileError>;

/// Something that has to exist does not.
fn not_found(path: &str) -> FileError {
    let path = path.trim_start_matches('/');
    let reference = &cache::hash([path])[..25];
    FileError(format!(
        "failed to compute cache key: failed to calculate checksum of ref {reference}: \"/{path}\": not found"
    ))
}

fn matcher(patterns: &[String]) -> Result<Option<Matcher>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let matcher = Matcher::new(patterns).map_err(|e| FileError(e.message))?;
    Ok(Some(matcher))
}

/// The files an action copies.
fn selected(action: &CopyAction, source: &Source) -> Result<Vec<Selected>> {
    for required in &action.required {
        if tree::lookup(&source.tree, required, true)?.is_none() {
            return Err(not_found(required));
        }
    }
    match select(&source.tree, &pattern(action)) {
        Ok(list) => Ok(list),
        Err(PlaceError::Missing(path)) => Err(not_found(&path)),
        Err(error) => Err(FileError(error.to_string())),
    }
}

/// The source as [`select`] reads it: a name that is no pattern is quoted.
fn pattern(action: &CopyAction) -> String {
    if action.wildcard || !has_wildcard(&action.src) {
        return action.src.clone();
    }
    let mut out = String::new();
    for c in action.src.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The hash of everything an action copies.
pub fn content(action: &CopyAction, source: &Source) -> Result<String> {
    let include = matcher(&action.include)?;
    let exclude = matcher(&action.exclude)?;
    let wanted = |path: &str| {
        include.as_ref().is_none_or(|m| m.matches(path))
            && !exclude.as_ref().is_some_and(|m| m.matches(path))
    };
    let mut sums = Vec::new();
    for one in selected(action, source)? {
        let found = &one.found;
        if !found.attr.is_dir() {
            let name = path::base(&one.name);
            sums.push(hash::file(name, &found.inode, &found.attr)?);
            continue;
        }
        let files = tree::walk(&found.inode).map_err(tree::at(&found.path))?;
        for (name, inode, attr) in files {
            if wanted(&name) {
                sums.push(hash::file(&name, &inode, &attr)?);
            }
        }
    }
    Ok(cache::hash(sums.iter().map(String::as_str)))
}

/// Does the actions of a step on a tree. `sources` are the step's inputs.
pub fn apply(
    root: &InodeRef,
    actions: &[FileAction],
    sources: &[Source],
    empty: &Source,
    limits: &Limits,
) -> Result<()> {
    for action in actions {
        match action {
            FileAction::Mkdir {
                path,
                mode,
                parents,
                owner,
                time,
            } => {
                let (uid, gid) = match owner {
                    None => (0, 0),
                    Some(owner) => users::owner(root, owner).map_err(FileError)?,
                };
                let perm = CreatePerm {
                    mode: *mode,
                    uid,
                    gid,
                };
                let (dir, made) = tree::mkdir_all(root, path, perm)?;
                if !made && !*parents {
                    return Err(FileError(format!("mkdir {path}: file exists")));
                }
                if let (true, Some(time)) = (made, time) {
                    let set = SetAttr {
                        mtime: Some(Time::from_secs(*time)),
                        ..SetAttr::default()
                    };
                    dir.set_attr(&set).map_err(tree::at(path))?;
                }
            }
            FileAction::Mkfile { path, mode, data } => make_file(root, path, *mode, data)?,
            FileAction::Copy(copy) => {
                let source = match copy.from {
                    None => empty,
                    Some(at) => sources.get(at).unwrap_or(empty),
                };
                copy_files(root, copy, source, limits)?;
            }
        }
    }
    Ok(())
}

fn make_file(root: &InodeRef, path: &str, mode: u32, data: &[u8]) -> Result<()> {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let perm = |mode| CreatePerm {
        mode,
        uid: 0,
        gid: 0,
    };
    let (dir, _) = tree::mkdir_all(root, dir, perm(0o755))?;
    let file = dir
        .create(name.as_bytes(), NewNode::File, perm(mode))
        .map_err(tree::at(path))?;
    let mut written = 0;
    while written < data.len() {
        let count = file.write_at(written as u64, &data[written..]);
        written += count.map_err(tree::at(path))?;
    }
    Ok(())
}

fn copy_files(
    root: &InodeRef,
    action: &CopyAction,
    source: &Source,
    limits: &Limits,
) -> Result<()> {
    let owner = match &action.owner {
        Some(owner) => Some(users::owner(root, owner).map_err(FileError)?),
        None if source.context => Some((0, 0)),
        None => None,
    };
    let mode = action.mode.as_ref().map(|mode| match mode {
        Mode::Bits(bits) => Chmod::Bits(*bits),
        Mode::Symbolic(text) => Chmod::Symbolic(text.clone()),
    });
    let options = Options {
        owner,
        mode,
        time: action.time,
        exclude: matcher(&action.exclude)?,
        include: matcher(&action.include)?,
    };
    let placement = Placement {
        root,
        dest: &action.dest,
        unpack: action.unpack,
        unpack_owner: action.owner.as_ref().and(owner),
        limits,
        options: &options,
    };
    for one in selected(action, source)? {
        placement.put(&one).map_err(|e| FileError(e.to_string()))?;
    }
    Ok(())
}
