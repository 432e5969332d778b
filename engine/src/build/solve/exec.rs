//! RUN: mounts, the process, and what it leaves.

use bottleship_dockerfile::convert::{Exec, ExecMount, ExecMountKind};
use bottleship_oci::{ChainId, DiffId};
use bottleship_vfs::{Clock, CreatePerm, FileSystem, InodeRef, Quota, Tmpfs};

use super::progress::Vertex;
use super::{Made, Tree, cache, not_found};
use crate::api::ApiError;
use crate::api::stdcopy::StdStream;
use crate::build::ports::{Ports, Sandbox, SandboxMount, SandboxSource, StepHost};
use crate::build::transfer::{Options, Transfer};
use crate::build::{hash, tree};
use crate::clock::random_id;
use crate::layer::Limits;
use crate::snapshot::SnapshotError;

/// What the runtime mounts over every container's files.
const RUNTIME_FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];
const RUNC: &str = "failed to create shim task: OCI runtime create failed: runc create failed: ";

fn system(error: &tree::TreeError) -> ApiError {
    ApiError::system(error.to_string())
}

/// The part of a tree a mount shows.
fn part(tree: &InodeRef, selector: &str) -> Result<tree::Found, ApiError> {
    let found = tree::lookup(tree, selector, true).map_err(|e| system(&e))?;
    found.ok_or_else(|| not_found(selector))
}

/// What goes into the step's key besides its base: the operation, and the files its mounts show.
pub fn inputs(exec: &Exec, trees: &[Made], keys: &[String]) -> Result<(String, String), ApiError> {
    let mut parts = vec![
        exec.args.join("\0"),
        exec.cwd.clone(),
        exec.user.clone(),
        format!("{:?} {}", exec.network, exec.insecure),
    ];
    for (name, id, _) in &exec.secret_env {
        parts.push(format!("{name}={id}"));
    }
    let mut files = Vec::new();
    for mount in &exec.mounts {
        let target = &mount.target;
        match &mount.kind {
            ExecMountKind::Bind { from, selector } => {
                parts.push(format!("bind {target} {selector} {}", mount.read_only));
                let Some(at) = *from else { continue };
                match trees.get(at).map(|made| &made.tree) {
                    Some(Tree::Context(tree)) => {
                        let found = part(tree, selector)?;
                        let sum = hash::source("", &found.inode, &found.attr);
                        files.push(sum.map_err(|e| system(&e))?);
                    }
                    _ => files.extend(keys.get(at).cloned()),
                }
            }
            // What a cache holds doesn't count, as its purpose is to change.
            ExecMountKind::Cache { id, selector, .. } => {
                parts.push(format!("cache {target} {id} {selector}"));
            }
            ExecMountKind::Tmpfs { size } => parts.push(format!("tmpfs {target} {size}")),
            ExecMountKind::Secret(file) | ExecMountKind::Ssh(file) => {
                parts.push(format!("secret {target} {} {:o}", file.id, file.mode));
            }
        }
    }
    let operation = cache::hash(parts.iter().map(String::as_str));
    Ok((operation, cache::hash(files.iter().map(String::as_str))))
}

/// Snapshots made for mounts, which go when the step ends.
#[derive(Default)]
struct Mounted {
    mounts: Vec<SandboxMount>,
    temporary: Vec<String>,
    caches: Vec<String>,
}

struct Run<'a> {
    ports: &'a Ports,
    trees: &'a [Made],
}

impl Run<'_> {
    async fn mount(&self, mount: &ExecMount, mounted: &mut Mounted) -> Result<(), ApiError> {
        let source = match &mount.kind {
            ExecMountKind::Bind { from, selector } => {
                let tree = self.bind(*from, mount.read_only, mounted).await?;
                SandboxSource::Tree(part(&tree, selector)?.inode)
            }
            ExecMountKind::Cache {
                from, selector, id, ..
            } => {
                let key = format!("buildcache-{}", cache::hash([id.as_str()]));
                let start = match from {
                    None => None,
                    Some(_) => {
                        let tree = self.bind(*from, true, mounted).await?;
                        Some(part(&tree, selector)?.inode)
                    }
                };
                let dir = self.kept(&key, start.as_ref()).await?;
                mounted.caches.push(key);
                SandboxSource::Tree(dir)
            }
            ExecMountKind::Tmpfs { size } => {
                SandboxSource::Tmpfs(u64::try_from(*size).ok().filter(|size| *size > 0))
            }
            // Clients here hand over no secrets.
            ExecMountKind::Secret(file) if file.required => {
                return Err(ApiError::invalid(format!("secret {}: not found", file.id)));
            }
            ExecMountKind::Ssh(file) if file.required => {
                return Err(ApiError::invalid(
                    "no SSH key \"default\" forwarded from the client",
                ));
            }
            ExecMountKind::Secret(_) | ExecMountKind::Ssh(_) => return Ok(()),
        };
        mounted.mounts.push(SandboxMount {
            target: mount.target.clone(),
            source,
            read_only: mount.read_only,
        });
        Ok(())
    }

    /// The tree of a bind mount; what is written to it is lost.
    async fn bind(
        &self,
        from: Option<usize>,
        read_only: bool,
        mounted: &mut Mounted,
    ) -> Result<InodeRef, ApiError> {
        let snapshots = &self.ports.snapshots;
        let made = from.and_then(|at| self.trees.get(at));
        match made.map(|made| &made.tree) {
            Some(Tree::Context(tree)) if read_only => Ok(tree.clone()),
            Some(Tree::Context(tree)) => copy_of(tree),
            Some(Tree::Layers(layers)) if read_only => {
                let top = chain(layers);
                Ok(snapshots.view(top.as_ref()).await?)
            }
            layered => {
                let top = match layered {
                    Some(Tree::Layers(layers)) => chain(layers),
                    _ => None,
                };
                let key = random_id(&*self.ports.entropy);
                let tree = snapshots.prepare(&key, top.as_ref()).await?.tree;
                mounted.temporary.push(key);
                Ok(tree)
            }
        }
    }

    /// A directory that stays between builds, in a snapshot of its own; a new one starts as a copy of `start`.
    async fn kept(&self, key: &str, start: Option<&InodeRef>) -> Result<InodeRef, ApiError> {
        const NAME: &str = "cache";
        let snapshots = &self.ports.snapshots;
        let rootfs = match snapshots.rootfs(key).await {
            Ok(rootfs) => rootfs,
            Err(SnapshotError::NotFound(_)) => snapshots.prepare(key, None).await?,
            Err(error) => return Err(error.into()),
        };
        if let Some(found) = tree::lookup(&rootfs.tree, NAME, false).map_err(|e| system(&e))? {
            return Ok(found.inode);
        }
        let Some(start) = start else {
            let perm = CreatePerm {
                mode: 0o755,
                uid: 0,
                gid: 0,
            };
            let made = tree::mkdir_all(&rootfs.tree, NAME, perm);
            return Ok(made.map_err(|e| system(&e))?.0);
        };
        let options = Options::default();
        let mut transfer = Transfer::new(&options);
        let dir = transfer
            .directory(start, &rootfs.tree, NAME.as_bytes(), NAME)
            .and_then(|dir| transfer.contents(start, &dir).map(|()| dir))
            .map_err(|e| system(&e))?;
        transfer.done().map_err(|e| system(&e))?;
        Ok(dir)
    }
}

fn chain(layers: &[Option<DiffId>]) -> Option<ChainId> {
    let layers: Vec<DiffId> = layers.iter().flatten().cloned().collect();
    ChainId::chain(&layers).pop()
}

fn copy_of(tree: &InodeRef) -> Result<InodeRef, ApiError> {
    let quota = Quota::new(u64::MAX, Limits::default().entries);
    let fs = Tmpfs::new(&Clock::new(), quota).map_err(|e| ApiError::system(e.strerror()))?;
    let options = Options::default();
    let mut transfer = Transfer::new(&options);
    transfer
        .contents(tree, &fs.root())
        .and_then(|()| transfer.done())
        .map_err(|e| system(&e))?;
    Ok(fs.root())
}

/// Paths of mount points that are not there yet, outermost first. They are made for the mounts and removed again.
fn missing(root: &InodeRef, targets: &[String]) -> Result<Vec<String>, ApiError> {
    let mut out = Vec::new();
    for target in targets {
        let ends = target.match_indices('/').map(|(at, _)| at).skip(1);
        for end in ends.chain([target.len()]) {
            let path = &target[..end];
            let there = tree::lookup(root, path, true).map_err(|e| system(&e))?;
            if there.is_none() && !out.iter().any(|p| p == path) {
                out.push(path.to_owned());
            }
        }
    }
    Ok(out)
}

/// Removes what was made for mounts, as far as nothing was put there.
fn remove_stubs(root: &InodeRef, stubs: &[String]) -> Result<(), ApiError> {
    for path in stubs.iter().rev() {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(dir) = tree::lookup(root, dir, true).map_err(|e| system(&e))? else {
            continue;
        };
        let Ok(attr) = dir.inode.lookup(name.as_bytes()).and_then(|i| i.attr()) else {
            continue;
        };
        // A directory that is not empty stays.
        let _ = if attr.is_dir() {
            dir.inode.rmdir(name.as_bytes())
        } else if attr.size == 0 {
            dir.inode.unlink(name.as_bytes())
        } else {
            Ok(())
        };
    }
    Ok(())
}

/// Runs the process on `base` and returns the layer of what it changed.
pub async fn run(
    ports: &Ports,
    exec: &Exec,
    base: Option<&ChainId>,
    trees: &[Made],
    host: &StepHost,
    vertex: &Vertex,
) -> Result<Option<DiffId>, ApiError> {
    for (_, id, required) in &exec.secret_env {
        if *required {
            return Err(ApiError::invalid(format!("secret {id}: not found")));
        }
    }
    let id = random_id(&*ports.entropy);
    let snapshots = &ports.snapshots;
    let mut mounted = Mounted::default();
    let done = async {
        let rootfs = snapshots.prepare(&id, base).await?;
        let run = Run { ports, trees };
        for mount in &exec.mounts {
            run.mount(mount, &mut mounted).await?;
        }
        let mut targets: Vec<String> = exec.mounts.iter().map(|m| m.target.clone()).collect();
        targets.extend(RUNTIME_FILES.map(str::to_owned));
        let stubs = missing(&rootfs.tree, &targets)?;
        let root = rootfs.tree.clone();
        let mut env = exec.env.clone();
        env.extend(exec.proxy.iter().map(|(k, v)| format!("{k}={v}")));
        let sandbox = Sandbox {
            id: id.clone(),
            rootfs,
            args: exec.args.clone(),
            env,
            cwd: exec.cwd.clone(),
            user: exec.user.clone(),
            mounts: std::mem::take(&mut mounted.mounts),
            network: exec.network,
            insecure: exec.insecure,
            host: host.clone(),
        };
        let code = match ports.sandboxes.run(sandbox, vertex).await {
            Ok(code) => code,
            Err(error) => not_started(error, vertex).await?,
        };
        if code != 0 {
            let command = exec.args.join(" ");
            return Err(ApiError::system(format!(
                "process \"{command}\" did not complete successfully: exit code: {code}"
            )));
        }
        remove_stubs(&root, &stubs)?;
        for key in &mounted.caches {
            snapshots.sync(key).await?;
        }
        Ok(snapshots.commit(&id).await?.map(|layer| layer.diff_id))
    }
    .await;
    let removed = snapshots.remove(&id).await;
    for key in &mounted.temporary {
        // They held nothing that is wanted.
        let _ = snapshots.remove(key).await;
    }
    let layer = done?;
    removed?;
    Ok(layer)
}

/// A program that does not exist is one that failed, with runc's words as its output.
async fn not_started(error: ApiError, vertex: &Vertex) -> Result<i64, ApiError> {
    let Some(text) = error.message.strip_prefix(RUNC) else {
        return Err(error);
    };
    let text = text.strip_suffix(": unknown").unwrap_or(text);
    let line = format!("runc run failed: {text}\n");
    vertex.log(StdStream::Stderr, line.as_bytes()).await?;
    Ok(if text.contains("permission denied") {
        126
    } else {
        127
    })
}
