//! The [`Runtime`] on a real kernel, by an OCI runtime's command line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use async_trait::async_trait;
use bottleship_engine::executor::Executor;
use bottleship_engine::runtime::{
    ContainerSpec, MountSource, NamespaceMode, PlatformInfo, ProcessInfo, ProcessSpec,
    ResourceLimits, Runtime, RuntimeError, RuntimeMount, RuntimeStats, Spawned,
};
use bottleship_engine::user;
use bottleship_vfs::{FileSystem, InodeRef, MountFlags, MountNs};
use tokio::runtime::Handle;

use super::cgroup::Layout;
use super::cli::{self, Cli, Streams};
use super::network::OciNetwork;
use super::os;
use super::process::{OciProcess, Prepared};
use super::spec::{self, Bind, Surroundings, Walls};
use super::table;
use crate::host::descriptor;

/// Bytes of a file that a container gets from the engine's memory.
const FILE: u64 = 1 << 20;

struct Container {
    process: Rc<OciProcess>,
    /// For looking up users.
    fs: Rc<dyn FileSystem>,
}

/// How an engine's containers are run.
#[derive(Clone)]
pub struct Setup {
    /// The runtime.
    pub cli: Cli,
    /// How strict it is.
    pub walls: Walls,
    /// The control group above the containers'.
    pub cgroup: String,
    /// Where bundles are: a directory that is removed with what is in it.
    pub bundles: PathBuf,
}

/// Runs containers as processes of this machine.
pub struct OciRuntime {
    setup: Setup,
    layout: Layout,
    tokio: Handle,
    executor: Executor,
    network: Rc<OciNetwork>,
    containers: RefCell<BTreeMap<String, Rc<Container>>>,
}

fn failed(what: &str) -> impl FnOnce(std::io::Error) -> RuntimeError {
    let what = what.to_owned();
    move |error| RuntimeError::Failed(format!("{what}: {error}"))
}

impl OciRuntime {
    /// A runtime whose containers are in `network`.
    pub fn new(setup: Setup, tokio: Handle, executor: Executor, network: Rc<OciNetwork>) -> Self {
        OciRuntime {
            setup,
            layout: Layout::detect(),
            tokio,
            executor,
            network,
            containers: RefCell::default(),
        }
    }

    fn find(&self, id: &str) -> Result<Rc<Container>, RuntimeError> {
        let found = self.containers.borrow().get(id).cloned();
        found.ok_or_else(|| RuntimeError::NotFound(format!("container {id}")))
    }

    fn group(&self, id: &str) -> String {
        format!("{}/{id}", self.setup.cgroup)
    }

    fn bundle(&self, id: &str) -> PathBuf {
        self.setup.bundles.join(id)
    }

    /// Calls the runtime without holding up the engine's thread.
    async fn call(
        &self,
        arguments: Vec<String>,
        streams: Option<Streams>,
    ) -> Result<(), RuntimeError> {
        let cli = self.setup.cli.clone();
        let called = self.tokio.spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            cli.call(&arguments, streams)
        });
        called
            .await
            .map_err(|error| RuntimeError::Failed(error.to_string()))?
    }

    async fn simple(&self, arguments: &[&str]) -> Result<(), RuntimeError> {
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        self.call(arguments, None).await
    }

    /// A namespace of the container that `mode` names, or the host's.
    fn place<'k>(
        &self,
        mode: &NamespaceMode,
        kind: &'k str,
        joined: &mut BTreeMap<&'k str, String>,
        shared: &mut Vec<&'k str>,
    ) -> Result<(), RuntimeError> {
        match mode {
            NamespaceMode::Private => {}
            NamespaceMode::Host => shared.push(kind),
            NamespaceMode::Container(id) => {
                let pid = self.find(id)?.process.process_id();
                joined.insert(kind, format!("/proc/{pid}/ns/{kind}"));
            }
        }
        Ok(())
    }

    /// The mounts a container asked for. Trees of the host's are bound by descriptor to a place of the engine's own
    /// first: a path may lead elsewhere by the time the runtime walks it.
    fn binds(&self, bundle: &Path, mounts: &[RuntimeMount]) -> Result<Vec<Bind>, RuntimeError> {
        let mut binds = Vec::with_capacity(mounts.len());
        for (index, mount) in mounts.iter().enumerate() {
            let mut options = mount.options.clone();
            options.push(if mount.read_only { "ro" } else { "rw" }.into());
            let bind = match &mount.source {
                MountSource::Tmpfs { size, mode } => {
                    options.push(format!("mode={mode:o}"));
                    options.extend(size.map(|size| format!("size={size}")));
                    Bind {
                        source: "tmpfs".into(),
                        target: mount.target.clone(),
                        kind: "tmpfs",
                        options,
                    }
                }
                MountSource::HostPath(path) => {
                    options.extend(["rbind".to_owned(), "rprivate".to_owned()]);
                    Bind {
                        source: path.clone(),
                        target: mount.target.clone(),
                        kind: "bind",
                        options,
                    }
                }
                MountSource::Tree(tree) => {
                    let at = bundle.join(format!("mount{index}"));
                    place_tree(&tree.root, &at, &self.setup.walls)?;
                    options.extend(["rbind".to_owned(), "rprivate".to_owned()]);
                    Bind {
                        source: at.display().to_string(),
                        target: mount.target.clone(),
                        kind: "bind",
                        options,
                    }
                }
            };
            binds.push(bind);
        }
        Ok(binds)
    }

    fn user(
        &self,
        fs: &Rc<dyn FileSystem>,
        process: &ProcessSpec,
    ) -> Result<user::User, RuntimeError> {
        let mounts = MountNs::new(fs.clone(), "overlay", MountFlags::empty());
        user::look_up(&mounts.root(), &process.user, &process.groups)
    }

    async fn create_in(
        &self,
        bundle: &Path,
        spec: &ContainerSpec,
    ) -> Result<(Rc<OciProcess>, Spawned), RuntimeError> {
        let root = spec.rootfs.overlay.as_ref().ok_or_else(|| {
            RuntimeError::Failed("the root file system is not mounted anywhere".into())
        })?;
        let user = self.user(&spec.rootfs.fs, &spec.process)?;
        let (mut joined, mut shared) = (BTreeMap::new(), Vec::new());
        self.place(&spec.pid_namespace, "pid", &mut joined, &mut shared)?;
        self.place(&spec.ipc_namespace, "ipc", &mut joined, &mut shared)?;
        self.place(&spec.uts_namespace, "uts", &mut joined, &mut shared)?;
        let network = match &spec.network {
            None => {
                match self.network.host_path() {
                    Some(path) => drop(joined.insert("network", path)),
                    None => shared.push("network"),
                }
                None
            }
            Some(sandbox) => match self.network.path(sandbox) {
                Some(path) => {
                    joined.insert("network", path);
                    None
                }
                None => Some(sandbox),
            },
        };
        let init = match spec.init {
            true => Some(init_program()?),
            false => None,
        };
        let group = self.group(&spec.id);
        let around = Surroundings {
            root: Path::new(&root.merged),
            cgroup: &group,
            mounts: self.binds(bundle, &spec.mounts)?,
            joined,
            shared,
            init,
        };
        let document = spec::document(spec, &user, &self.setup.walls, &around)?;
        let text = serde_json::to_vec(&document).unwrap_or_default();
        fs::write(bundle.join("config.json"), text).map_err(failed("config.json"))?;
        let prepared = Prepared::new(&self.tokio, &self.setup.bundles, &spec.process)?;
        let pid_file = bundle.join("pid");
        let mut arguments = vec![
            "create".to_owned(),
            "--bundle".into(),
            bundle.display().to_string(),
            "--pid-file".into(),
            pid_file.display().to_string(),
        ];
        arguments.extend(prepared.console_argument());
        arguments.push(spec.id.clone());
        let (streams, ends) = prepared.split();
        let program = spec.process.args.first().map_or("", String::as_str);
        self.call(arguments, Some(streams))
            .await
            .map_err(|error| cli::in_runc_words(error, program))?;
        let made = async {
            let pid = read_pid(&pid_file)?;
            if let Some(sandbox) = network {
                self.network
                    .attach(sandbox, pid)
                    .await
                    .map_err(|error| RuntimeError::Failed(error.to_string()))?;
            }
            let cli = self.setup.cli.clone();
            let id = spec.id.clone();
            let start = move || cli.call(&["start", &id], None);
            let group = group.clone();
            OciProcess::new(
                &self.tokio,
                &self.executor,
                pid,
                ends,
                Some(Box::new(start)),
                (self.layout.clone(), group),
            )
            .await
        };
        match made.await {
            Ok(made) => Ok(made),
            Err(error) => {
                // It waits to be started, and never will be.
                let _ = self.simple(&["delete", "--force", &spec.id]).await;
                Err(error)
            }
        }
    }
}

/// docker-init, which must not need the container's libraries.
fn init_program() -> Result<String, RuntimeError> {
    ["docker-init", "tini-static", "catatonit"]
        .into_iter()
        .find_map(cli::find_program)
        .map(|path| path.display().to_string())
        .ok_or_else(|| {
            RuntimeError::Start("exec: \"docker-init\": executable file not found in $PATH".into())
        })
}

/// Makes a tree appear at a path of the engine's own.
fn place_tree(root: &InodeRef, at: &Path, walls: &Walls) -> Result<(), RuntimeError> {
    let errno = |errno: bottleship_vfs::Errno| RuntimeError::Failed(errno.to_string());
    let attr = root.attr().map_err(errno)?;
    if let Some(fd) = descriptor(root) {
        match attr.is_dir() {
            true => fs::create_dir(at).map_err(failed("mount point"))?,
            false => drop(fs::File::create(at).map_err(failed("mount point"))?),
        }
        return os::bind(fd, at).map_err(failed("bind mount"));
    }
    if !attr.is_file() || attr.size > FILE {
        return Err(RuntimeError::Failed(
            "a tree in the engine's memory can't be mounted on a real kernel".into(),
        ));
    }
    let mut bytes = vec![0; usize::try_from(attr.size).unwrap_or(0)];
    let count = root.read_at(0, &mut bytes).map_err(errno)?;
    bytes.truncate(count);
    fs::write(at, bytes).map_err(failed("file"))?;
    let base = walls.base();
    std::os::unix::fs::chown(at, Some(base + attr.uid), Some(base + attr.gid))
        .map_err(failed("owner of a file"))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(attr.mode & 0o7777);
    fs::set_permissions(at, mode).map_err(failed("mode of a file"))
}

fn read_pid(file: &Path) -> Result<u32, RuntimeError> {
    let text = fs::read_to_string(file).map_err(failed("pid file"))?;
    text.trim()
        .parse()
        .map_err(|_| RuntimeError::Failed(format!("pid file holds {text:?}")))
}

/// Takes a bundle with its mounts away.
fn remove_bundle(bundle: &Path) {
    let entries = fs::read_dir(bundle).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with("mount") {
            os::detach(&entry.path());
        }
    }
    let _ = fs::remove_dir_all(bundle);
}

#[async_trait(?Send)]
impl Runtime for OciRuntime {
    async fn create(&self, spec: ContainerSpec) -> Result<Spawned, RuntimeError> {
        let bundle = self.bundle(&spec.id);
        remove_bundle(&bundle);
        fs::create_dir_all(&bundle).map_err(failed("bundle"))?;
        let result = self.create_in(&bundle, &spec).await;
        // The container has its own copies by now.
        for index in 0..spec.mounts.len() {
            os::detach(&bundle.join(format!("mount{index}")));
        }
        match result {
            Ok((process, spawned)) => {
                let container = Container {
                    process,
                    fs: spec.rootfs.fs.clone(),
                };
                self.containers
                    .borrow_mut()
                    .insert(spec.id, Rc::new(container));
                Ok(spawned)
            }
            Err(error) => {
                remove_bundle(&bundle);
                self.layout.remove(&self.group(&spec.id));
                Err(error)
            }
        }
    }

    async fn exec(&self, id: &str, process: ProcessSpec) -> Result<Spawned, RuntimeError> {
        let container = self.find(id)?;
        if container.process.is_over() {
            return Err(RuntimeError::NotFound(format!(
                "process 1 of container {id}"
            )));
        }
        self.setup.walls.check_capabilities(&process.capabilities)?;
        let user = self.user(&container.fs, &process)?;
        let document = spec::process(&process, &user, &self.setup.walls)?;
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).map_err(|error| RuntimeError::Failed(error.to_string()))?;
        let dir = self
            .bundle(id)
            .join(format!("exec-{:016x}", u64::from_le_bytes(unique)));
        fs::create_dir_all(&dir).map_err(failed("exec"))?;
        let spawned = async {
            let text = serde_json::to_vec(&document).unwrap_or_default();
            let file = dir.join("process.json");
            fs::write(&file, text).map_err(failed("process.json"))?;
            let prepared = Prepared::new(&self.tokio, &self.setup.bundles, &process)?;
            let pid_file = dir.join("pid");
            // The whole process by document: by flags, crun forgets no-new-privileges.
            let mut arguments = vec![
                "exec".to_owned(),
                "--detach".into(),
                "--process".into(),
                file.display().to_string(),
                "--pid-file".into(),
                pid_file.display().to_string(),
            ];
            arguments.extend(prepared.console_argument());
            arguments.push(id.to_owned());
            let (streams, ends) = prepared.split();
            let program = process.args.first().map_or("", String::as_str);
            self.call(arguments, Some(streams))
                .await
                .map_err(|error| cli::in_runc_words(error, program))?;
            let group = (self.layout.clone(), self.group(id));
            let pid = read_pid(&pid_file)?;
            OciProcess::new(&self.tokio, &self.executor, pid, ends, None, group).await
        };
        let result = spawned.await;
        let _ = fs::remove_dir_all(&dir);
        result.map(|(_, spawned)| spawned)
    }

    async fn kill_all(&self, id: &str, signal: u8) -> Result<(), RuntimeError> {
        self.find(id)?;
        for pid in self.layout.processes(&self.group(id)) {
            os::kill(pid, signal.into());
        }
        Ok(())
    }

    async fn pause(&self, id: &str) -> Result<(), RuntimeError> {
        self.simple(&["pause", id]).await
    }

    async fn resume(&self, id: &str) -> Result<(), RuntimeError> {
        self.simple(&["resume", id]).await
    }

    async fn update(&self, id: &str, limits: &ResourceLimits) -> Result<(), RuntimeError> {
        self.find(id)?;
        let file = self.bundle(id).join("resources.json");
        let text =
            serde_json::to_vec(&spec::new_limits(limits, &self.setup.walls)).unwrap_or_default();
        fs::write(&file, text).map_err(failed("resources.json"))?;
        let path = file.display().to_string();
        self.simple(&["update", "--resources", &path, id]).await
    }

    async fn stats(&self, id: &str) -> Result<RuntimeStats, RuntimeError> {
        self.find(id)?;
        Ok(self.layout.stats(&self.group(id)))
    }

    async fn processes(&self, id: &str) -> Result<Vec<ProcessInfo>, RuntimeError> {
        self.find(id)?;
        let pids = self.layout.processes(&self.group(id));
        Ok(table::describe(
            &pids,
            self.setup.walls.users.as_ref().map(|users| users.base),
        ))
    }

    async fn delete(&self, id: &str) -> Result<(), RuntimeError> {
        let known = self.containers.borrow_mut().remove(id);
        let bundle = self.bundle(id);
        if known.is_none() && !bundle.exists() {
            return Ok(());
        }
        let deleted = self.simple(&["delete", "--force", id]).await;
        // What the runtime left: after a forced end there is nothing to keep.
        let (layout, group) = (self.layout.clone(), self.group(id));
        let swept = self.tokio.spawn_blocking(move || {
            layout.remove(&group);
            remove_bundle(&bundle);
        });
        swept
            .await
            .map_err(|error| RuntimeError::Failed(error.to_string()))?;
        match deleted {
            Err(error) if known.is_some() => Err(error),
            _ => Ok(()),
        }
    }

    fn platform(&self) -> PlatformInfo {
        let name = rustix::system::uname();
        let memory = rustix::system::sysinfo();
        PlatformInfo {
            runtime: self.setup.cli.name.clone(),
            runtime_version: self.setup.cli.version.clone(),
            kernel_version: name.release().to_string_lossy().into_owned(),
            operating_system: operating_system(),
            architecture: name.machine().to_string_lossy().into_owned(),
            cpus: std::thread::available_parallelism()
                .ok()
                .and_then(|count| u32::try_from(count.get()).ok())
                .unwrap_or(1),
            memory: memory.totalram as u64 * u64::from(memory.mem_unit),
            cgroup_version: self.layout.version().into(),
        }
    }
}

fn operating_system() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(|| "Linux".into(), |name| name.trim_matches('"').to_owned())
}
