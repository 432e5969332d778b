//! What builds need of the engine.

use std::rc::Rc;

use async_trait::async_trait;
use bottleship_dockerfile::instruction::Network;
use bottleship_oci::config::{ContainerConfig, RawConfig};
use bottleship_oci::{ImageId, Reference};
use bottleship_vfs::InodeRef;
use bytes::Bytes;

use super::output::Output;
use super::report::Observer;
use crate::api::ApiError;
use crate::api::stdcopy::StdStream;
use crate::api::types::Ulimit;
use crate::clock::{Clock, Entropy};
use crate::content::ContentStore;
use crate::fetch::Fetch;
use crate::layer::Limits;
use crate::snapshot::{RootFs, Snapshotter};
use crate::store::Store;

/// What the builders need from outside.
#[derive(Clone)]
pub struct Ports {
    /// Images.
    pub images: Rc<dyn BuildImages>,
    /// The classic builder's containers.
    pub containers: Rc<dyn StepContainers>,
    /// BuildKit's processes.
    pub sandboxes: Rc<dyn Sandboxes>,
    /// Layers.
    pub snapshots: Rc<dyn Snapshotter>,
    /// Blobs, and room for what is only needed for now.
    pub content: Rc<dyn ContentStore>,
    /// BuildKit's cache.
    pub store: Rc<dyn Store>,
    /// `ADD https://…`.
    pub fetch: Rc<dyn Fetch>,
    /// Time.
    pub clock: Rc<dyn Clock>,
    /// Ids.
    pub entropy: Rc<dyn Entropy>,
    /// Who is told of steps.
    pub observer: Option<Observer>,
    /// Limits of archives that ADD unpacks, and of downloads.
    pub limits: Limits,
    /// Docker's version noted in images.
    pub docker_version: String,
}

/// Why a build failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// The exit code of a RUN, or 0.
    pub code: i64,
    /// What is reported, and with which status when nothing was shown yet.
    pub error: ApiError,
}

impl From<ApiError> for BuildError {
    fn from(error: ApiError) -> Self {
        BuildError { code: 0, error }
    }
}

impl BuildError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        ApiError::invalid(message.into()).into()
    }
}

/// An image in the store.
#[derive(Clone, Debug)]
pub struct StoredImage {
    /// Its config, with the bytes its id is the digest of.
    pub config: RawConfig,
    /// The image of the step before, for images made here.
    pub parent: Option<ImageId>,
    /// Made here, by a build or a commit. Only such images count for the build cache.
    pub local: bool,
}

impl StoredImage {
    /// Its id.
    pub fn id(&self) -> ImageId {
        self.config.id()
    }
}

/// The image store, as far as builds use it.
#[async_trait(?Send)]
pub trait BuildImages {
    /// An image by name or id; `None` when it is not here.
    ///
    /// # Errors
    /// The name is no reference.
    fn find(&self, name: &str) -> Result<Option<StoredImage>, ApiError>;

    /// Fetches an image, reporting progress.
    ///
    /// # Errors
    /// Docker's texts of a failed pull.
    async fn pull(&self, name: &str, output: &Output) -> Result<StoredImage, ApiError>;

    /// The images made on top of `parent`; with `None`, those made of nothing.
    fn children(&self, parent: Option<&ImageId>) -> Vec<StoredImage>;

    /// Makes an image exist. Its layers exist already.
    ///
    /// # Errors
    /// The storage failed.
    async fn register(
        &self,
        config: RawConfig,
        parent: Option<ImageId>,
        tags: &[Reference],
    ) -> Result<ImageId, ApiError>;

    /// Names an image.
    ///
    /// # Errors
    /// The storage failed.
    async fn tag(&self, id: &ImageId, reference: &Reference) -> Result<(), ApiError>;
}

/// Limits and surroundings of the containers of RUN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepHost {
    /// `--network`.
    pub network: String,
    /// `--memory`, bytes.
    pub memory: i64,
    /// `--memory-swap`, bytes.
    pub memory_swap: i64,
    /// `--cpu-shares`.
    pub cpu_shares: i64,
    /// `--cpu-period`, microseconds.
    pub cpu_period: i64,
    /// `--cpu-quota`, microseconds.
    pub cpu_quota: i64,
    /// `--shm-size`, bytes.
    pub shm_size: i64,
    /// `--add-host`.
    pub extra_hosts: Vec<String>,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
}

/// Where the output of a RUN goes.
#[async_trait(?Send)]
pub trait StepOutput {
    /// Takes a piece of output.
    ///
    /// # Errors
    /// Nobody reads any more; the step ends.
    async fn write(&self, stream: StdStream, data: Bytes) -> Result<(), ApiError>;
}

/// Containers, as far as the classic builder uses them.
#[async_trait(?Send)]
pub trait StepContainers {
    /// Makes a container of `config.image` and returns its id, which is also its snapshot's key.
    ///
    /// # Errors
    /// As `POST /containers/create`.
    async fn create(&self, config: &ContainerConfig, host: &StepHost) -> Result<String, ApiError>;

    /// Runs it to its end and returns its exit code.
    ///
    /// # Errors
    /// As `POST /containers/{id}/start`.
    async fn run(&self, id: &str, output: &dyn StepOutput) -> Result<i64, ApiError>;

    /// Removes it.
    ///
    /// # Errors
    /// As `DELETE /containers/{id}`.
    async fn remove(&self, id: &str) -> Result<(), ApiError>;
}

/// A process of a step that is no container: it has no name, and nobody sees it but the build.
pub struct Sandbox {
    /// Its id.
    pub id: String,
    /// Its root file system.
    pub rootfs: RootFs,
    /// Argv.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// User, or empty for root.
    pub user: String,
    /// Mounts, parents before children.
    pub mounts: Vec<SandboxMount>,
    /// Network.
    pub network: Network,
    /// With all capabilities.
    pub insecure: bool,
    /// Limits and surroundings.
    pub host: StepHost,
}

/// A mount of a [`Sandbox`].
pub struct SandboxMount {
    /// Absolute path; made when it is not there.
    pub target: String,
    /// What is mounted.
    pub source: SandboxSource,
    /// Whether writing fails.
    pub read_only: bool,
}

/// What is mounted.
pub enum SandboxSource {
    /// A directory or file.
    Tree(InodeRef),
    /// Memory of at most so many bytes.
    Tmpfs(Option<u64>),
}

/// Runs the processes of steps.
#[async_trait(?Send)]
pub trait Sandboxes {
    /// Runs one to its end and returns its exit code.
    ///
    /// # Errors
    /// It could not be started, in runc's words; or nobody reads its output any more.
    async fn run(&self, sandbox: Sandbox, output: &dyn StepOutput) -> Result<i64, ApiError>;
}
