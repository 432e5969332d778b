//! The build context: the tar a client sends, as a tree of its own.

use std::rc::Rc;

use bottleship_dockerfile::ignore::{self, Matcher};
use bottleship_vfs::{Clock, CreatePerm, FileSystem, InodeRef, NewNode, Quota, Time, Tmpfs};

use super::transfer::{Options, Transfer};
use super::tree;
use crate::api::ApiError;
use crate::content::ContentStore;
use crate::image::blob;
use crate::layer::{ExtractOptions, Limits, extract_from};
use crate::store::ReadAt;

/// Bytes of a Dockerfile or an ignore file at most.
const FILE_LIMIT: usize = bottleship_dockerfile::limits::DOCKERFILE;

/// A context, unpacked.
#[derive(Clone)]
pub struct Context {
    root: InodeRef,
    clock: Clock,
}

impl Context {
    /// Unpacks a context; the archive may be compressed. Everything in it stays inside of it, whatever its names and
    /// links say.
    ///
    /// # Errors
    /// The archive is bad, or larger than `limit` bytes.
    pub async fn unpack(
        content: &dyn ContentStore,
        archive: Rc<dyn ReadAt>,
        limit: u64,
        now: Time,
    ) -> Result<Context, ApiError> {
        let clock = Clock::new();
        clock.set(now);
        let root = tree_of(&clock, limit)?;
        let invalid = |e: crate::layer::LayerError| ApiError::invalid(e.in_docker_words());
        let limits = Limits {
            archive_bytes: limit,
            ..Limits::default()
        };
        let tar = blob::plain(content, archive, limit).await;
        let tar = tar.map_err(invalid)?;
        let options = ExtractOptions::default();
        extract_from(&tar, &root, b"/", &limits, &options).map_err(invalid)?;
        Ok(Context { root, clock })
    }

    /// A context without files.
    ///
    /// # Errors
    /// No memory is left.
    pub fn empty(now: Time) -> Result<Context, ApiError> {
        let clock = Clock::new();
        clock.set(now);
        Ok(Context {
            root: tree_of(&clock, 1 << 20)?,
            clock,
        })
    }

    /// A context of only a Dockerfile.
    ///
    /// # Errors
    /// It is too large.
    pub fn of_dockerfile(data: &[u8], name: &str, now: Time) -> Result<Context, ApiError> {
        let clock = Clock::new();
        clock.set(now);
        let root = tree_of(&clock, FILE_LIMIT as u64)?;
        let perm = CreatePerm {
            mode: 0o600,
            uid: 0,
            gid: 0,
        };
        root.create(name.as_bytes(), NewNode::File, perm)
            .and_then(|file| file.write_at(0, data))
            .map_err(|e| ApiError::invalid(e.strerror()))?;
        Ok(Context { root, clock })
    }

    /// The files.
    pub fn root(&self) -> &InodeRef {
        &self.root
    }

    /// The Dockerfile of the given name.
    ///
    /// # Errors
    /// It is not there, empty, or too large.
    pub fn dockerfile(&self, name: &str) -> Result<Vec<u8>, ApiError> {
        let system = |e: tree::TreeError| ApiError::invalid(e.to_string());
        let data = tree::read(&self.root, name, FILE_LIMIT).map_err(system)?;
        let data = data.ok_or_else(|| {
            ApiError::not_found(format!("Cannot locate specified Dockerfile: {name}"))
        })?;
        if data.is_empty() {
            return Err(ApiError::invalid(format!(
                "the Dockerfile ({name}) cannot be empty"
            )));
        }
        Ok(data)
    }

    /// What the ignore file for a Dockerfile says: `NAME.dockerignore` beside it if there, else `.dockerignore`.
    ///
    /// # Errors
    /// A pattern in it is wrong.
    pub fn ignore(&self, dockerfile: &str) -> Result<Option<Matcher>, ApiError> {
        let own = format!("{dockerfile}.dockerignore");
        for name in [own.as_str(), ".dockerignore"] {
            let data = tree::read(&self.root, name, FILE_LIMIT)
                .map_err(|e| ApiError::invalid(e.to_string()))?;
            if let Some(data) = data {
                let matcher = Matcher::new(&ignore::read(&data)).map_err(|e| {
                    ApiError::invalid(format!("error checking context: {}", e.message))
                })?;
                return Ok((!matcher.is_empty()).then_some(matcher));
            }
        }
        Ok(None)
    }

    /// The context without what `matcher` leaves out. Clients do this before they send; one that doesn't (or that
    /// knows no `NAME.dockerignore`) gets the same result.
    ///
    /// # Errors
    /// No memory is left.
    pub fn without(&self, matcher: &Matcher) -> Result<Context, ApiError> {
        let files = tree::walk(&self.root).map_err(|e| ApiError::system(e.strerror()))?;
        if !files.iter().any(|(path, _, _)| matcher.matches(path)) {
            return Ok(self.clone());
        }
        let options = Options {
            exclude: Some(matcher.clone()),
            ..Options::default()
        };
        let root = tree_of(&self.clock, u64::MAX)?;
        let mut transfer = Transfer::new(&options);
        transfer
            .contents(&self.root, &root)
            .and_then(|()| transfer.done())
            .map_err(|e| ApiError::system(e.to_string()))?;
        Ok(Context {
            root,
            clock: self.clock.clone(),
        })
    }
}

/// An empty tree of at most so many bytes.
pub(super) fn tree_of(clock: &Clock, bytes: u64) -> Result<InodeRef, ApiError> {
    let fs = Tmpfs::new(clock, Quota::new(bytes, Limits::default().entries))
        .map_err(|e| ApiError::system(e.strerror()))?;
    Ok(fs.root())
}
