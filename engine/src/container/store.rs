//! The containers there are.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bottleship_vfs::InodeRef;
use futures::channel::oneshot;
use futures::lock::{Mutex, MutexGuard};

use super::exec::Exec;
use super::log::{Log, LogRef};
use super::names::is_valid_name;
use super::record::Record;
use super::streams::Streams;
use super::wait::Waiters;
use crate::api::ApiError;
use crate::api::types::StringMap;
use crate::engine::Engine;
use crate::runtime::RuntimeProcess;
use crate::store::Op;

const BUCKET: &str = "containers";
const LOGS: &str = "container-logs";

struct Inner {
    record: RefCell<Record>,
    streams: Rc<Streams>,
    log: LogRef,
    /// Held while the container is started, removed, or changed otherwise.
    lock: Mutex<()>,
    process: RefCell<Option<Rc<dyn RuntimeProcess>>>,
    waiters: Waiters,
    /// Ends the wait before a restart.
    cancel_restart: RefCell<Option<oneshot::Sender<()>>>,
    /// Ends the health checks.
    health_checks: RefCell<Option<oneshot::Sender<()>>>,
    /// Nanoseconds to wait before the next restart.
    backoff: Cell<u64>,
    execs: RefCell<BTreeSet<String>>,
    /// The directory of what is mounted at `/etc/hosts` and the like, while it runs.
    network_files: RefCell<Option<InodeRef>>,
    removed: Cell<bool>,
}

/// A container; clones are handles of the same one.
#[derive(Clone)]
pub struct Container(Rc<Inner>);

impl Container {
    fn new(record: Record, log: Log) -> Self {
        let streams = Rc::new(Streams::default());
        if record.config.open_stdin {
            streams.open_stdin();
        }
        Container(Rc::new(Inner {
            record: RefCell::new(record),
            streams,
            log: Rc::new(log),
            lock: Mutex::new(()),
            process: RefCell::default(),
            waiters: Waiters::default(),
            cancel_restart: RefCell::default(),
            health_checks: RefCell::default(),
            backoff: Cell::new(0),
            execs: RefCell::default(),
            network_files: RefCell::default(),
            removed: Cell::new(false),
        }))
    }

    /// What is kept of it. Not to be held across an await.
    pub fn record(&self) -> Ref<'_, Record> {
        self.0.record.borrow()
    }

    /// What is kept of it, to change it. Not to be held across an await.
    pub fn record_mut(&self) -> RefMut<'_, Record> {
        self.0.record.borrow_mut()
    }

    /// The id.
    pub fn id(&self) -> String {
        self.record().id.clone()
    }

    /// The name.
    pub fn name(&self) -> String {
        self.record().name.clone()
    }

    /// The streams of its first process.
    pub fn streams(&self) -> &Rc<Streams> {
        &self.0.streams
    }

    /// Its log.
    pub fn log(&self) -> &LogRef {
        &self.0.log
    }

    /// Who waits for it.
    pub fn waiters(&self) -> &Waiters {
        &self.0.waiters
    }

    /// The directory of what is mounted at `/etc/hosts` and the like.
    pub fn network_files(&self) -> Option<InodeRef> {
        self.0.network_files.borrow().clone()
    }

    /// Keeps that directory for as long as the container is there.
    pub fn set_network_files(&self, files: InodeRef) {
        *self.0.network_files.borrow_mut() = Some(files);
    }

    /// Keeps others from starting, removing or changing it.
    pub async fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.lock.lock().await
    }

    /// Its first process, while it runs.
    pub fn process(&self) -> Option<Rc<dyn RuntimeProcess>> {
        self.0.process.borrow().clone()
    }

    /// Sets its first process.
    pub fn set_process(&self, process: Option<Rc<dyn RuntimeProcess>>) {
        *self.0.process.borrow_mut() = process;
    }

    /// The switch that ends a pending restart.
    pub fn cancel_restart(&self) -> RefMut<'_, Option<oneshot::Sender<()>>> {
        self.0.cancel_restart.borrow_mut()
    }

    /// The switch that ends the health checks.
    pub fn health_checks(&self) -> RefMut<'_, Option<oneshot::Sender<()>>> {
        self.0.health_checks.borrow_mut()
    }

    /// Nanoseconds to wait before the next restart.
    pub fn backoff(&self) -> &Cell<u64> {
        &self.0.backoff
    }

    /// The ids of its execs that still run.
    pub fn execs(&self) -> RefMut<'_, BTreeSet<String>> {
        self.0.execs.borrow_mut()
    }

    /// Whether it was removed while someone held a handle.
    pub fn is_removed(&self) -> bool {
        self.0.removed.get()
    }

    /// Stores what is kept of it. Containers that remove themselves are not
    /// kept: after a crash they are gone, as if they had removed themselves.
    pub async fn save(&self, engine: &Engine) -> Result<(), ApiError> {
        let op = {
            let record = self.record();
            if record.host_config.auto_remove || self.is_removed() {
                return Ok(());
            }
            let value = serde_json::to_vec(&*record).unwrap_or_default().into();
            Op::Put {
                bucket: BUCKET,
                key: record.id.clone(),
                value,
            }
        };
        Ok(engine.ports().store.commit(vec![op]).await?)
    }

    /// Stores the log's new entries.
    pub async fn save_log(&self, engine: &Engine) -> Result<(), ApiError> {
        let (from, end) = (self.log().stored.get(), self.log().end());
        if from == end || self.record().host_config.auto_remove || self.is_removed() {
            return Ok(());
        }
        let value = self.log().encode_from(from).into();
        // Sorts by sequence number.
        let key = format!("{}/{from:020}", self.record().id);
        engine
            .ports()
            .store
            .commit(vec![Op::Put {
                bucket: LOGS,
                key,
                value,
            }])
            .await?;
        self.log().stored.set(end);
        Ok(())
    }

    /// Emits an event about it, with its labels and what Docker always tells.
    pub fn emit(&self, engine: &Engine, action: &str, more: &[(&str, &str)]) {
        let (id, attributes) = {
            let record = self.record();
            let mut attributes: StringMap = record.config.labels.clone().unwrap_or_default();
            attributes.insert("name".into(), record.name.clone());
            if !record.config.image.is_empty() {
                attributes.insert("image".into(), record.config.image.clone());
            }
            attributes.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
            (record.id.clone(), attributes)
        };
        engine.events().emit("container", action, &id, attributes);
    }
}

/// The engine's containers and execs.
#[derive(Default)]
pub struct Containers {
    by_id: RefCell<BTreeMap<String, Container>>,
    names: RefCell<BTreeMap<String, String>>,
    execs: RefCell<BTreeMap<String, Rc<Exec>>>,
}

impl Containers {
    /// Reads what a former engine stored. What ran then is stopped now, and
    /// started again where its restart policy says so.
    pub async fn load(&self, engine: &Engine) -> Result<(), ApiError> {
        let mut restart = Vec::new();
        for (id, json) in engine.ports().store.load(BUCKET).await? {
            let Ok(mut record) = serde_json::from_slice::<Record>(&json) else {
                continue;
            };
            if record.state.removal_in_progress {
                // A removal that was cut short: what is left of the container is of no use.
                engine.ports().snapshots.remove(&id).await?;
                let container = self.insert(engine, record);
                self.forget(engine, &container).await?;
                continue;
            }
            let ran = record.state.running;
            if ran {
                // moby's answer for containers whose shim is gone.
                record.state.set_stopped(255, false, engine.now());
                record.state.health = None;
                record.sandbox_id.clear();
                record.ports.clear();
            }
            let policy = record.host_config.restart_policy.name.clone();
            let wanted = policy == "always"
                || (policy == "unless-stopped" && !record.manually_stopped)
                || (policy == "on-failure" && ran);
            let container = self.insert(engine, record);
            for (_, lines) in engine
                .ports()
                .store
                .load(LOGS)
                .await?
                .into_iter()
                .filter(|(key, _)| key.starts_with(&id))
            {
                container.log().decode(&lines);
            }
            for mount in container
                .record()
                .mounts
                .iter()
                .filter(|m| m.r#type == "volume")
            {
                engine.volumes().add_user(&mount.name, &id);
            }
            if wanted
                && container.record().started_before
                && !(policy == "always" && container.record().manually_stopped && !ran)
            {
                restart.push(container);
            }
        }
        for container in restart {
            let engine = engine.clone();
            engine.clone().executor().spawn(async move {
                // Its error is in its state.
                let _ = super::start::start(&engine, &container).await;
            });
        }
        Ok(())
    }

    /// Adds a container.
    pub fn insert(&self, engine: &Engine, record: Record) -> Container {
        let (id, name) = (record.id.clone(), record.name.clone());
        let log = Log::new(&record.host_config.log_config, engine.config().log_limit);
        let container = Container::new(record, log);
        self.names.borrow_mut().insert(name, id.clone());
        self.by_id.borrow_mut().insert(id, container.clone());
        container
    }

    /// Forgets a container.
    pub async fn forget(&self, engine: &Engine, container: &Container) -> Result<(), ApiError> {
        let (id, name) = (container.id(), container.name());
        container.0.removed.set(true);
        if !container.record().host_config.auto_remove {
            let mut ops = vec![Op::Delete {
                bucket: BUCKET,
                key: id.clone(),
            }];
            let logs = engine
                .ports()
                .store
                .list(LOGS)
                .await?
                .into_iter()
                .map(|(key, _)| key)
                .filter(|key| key.starts_with(&id));
            ops.extend(logs.map(|key| Op::Delete { bucket: LOGS, key }));
            engine.ports().store.commit(ops).await?;
        }
        self.by_id.borrow_mut().remove(&id);
        self.names.borrow_mut().retain(|_, owner| *owner != id);
        self.execs
            .borrow_mut()
            .retain(|_, exec| exec.container_id != id);
        let _ = name;
        Ok(())
    }

    /// Reserves a name for a new container.
    pub fn reserve_name(&self, name: &str, id: &str) -> Result<(), ApiError> {
        let given = name;
        let name = name.strip_prefix('/').unwrap_or(name);
        if !is_valid_name(name) {
            return Err(ApiError::invalid(format!(
                "Invalid container name ({given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            )));
        }
        let mut names = self.names.borrow_mut();
        if let Some(owner) = names.get(name) {
            return Err(ApiError::conflict(format!(
                "Conflict. The container name \"/{name}\" is already in use by container {owner:?}. You have to remove (or rename) that container to be able to reuse that name."
            )));
        }
        names.insert(name.to_owned(), id.to_owned());
        Ok(())
    }

    /// Whether a name is taken.
    pub fn is_name_taken(&self, name: &str) -> bool {
        self.names.borrow().contains_key(name)
    }

    /// Frees a name.
    pub fn release_name(&self, name: &str) {
        self.names.borrow_mut().remove(name);
    }

    /// A container by id, name, or unambiguous beginning of an id.
    pub fn find(&self, reference: &str) -> Result<Container, ApiError> {
        let not_found = || ApiError::not_found(format!("No such container: {reference}"));
        let containers = self.by_id.borrow();
        if let Some(container) = containers.get(reference) {
            return Ok(container.clone());
        }
        let name = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(container) = self
            .names
            .borrow()
            .get(name)
            .and_then(|id| containers.get(id))
        {
            return Ok(container.clone());
        }
        let mut matching = containers
            .range(reference.to_owned()..)
            .take_while(|(id, _)| !reference.is_empty() && id.starts_with(reference));
        match (matching.next(), matching.next()) {
            (Some((_, container)), None) => Ok(container.clone()),
            (Some(_), Some(_)) => Err(ApiError::invalid(format!(
                "Multiple IDs found with provided prefix: {reference}"
            ))),
            (None, _) => Err(not_found()),
        }
    }

    /// All containers, newest first.
    pub fn all(&self) -> Vec<Container> {
        let mut all: Vec<Container> = self.by_id.borrow().values().cloned().collect();
        all.sort_by_key(|c| std::cmp::Reverse(c.record().created));
        all
    }

    /// Containers made from an image, by its id (`sha256:…`).
    pub fn using_image(&self, image_id: &str) -> Vec<Container> {
        self.all()
            .into_iter()
            .filter(|c| c.record().image_id == image_id)
            .collect()
    }

    /// Names of the networks containers want to be on, running or not.
    pub fn network_names(&self) -> BTreeSet<String> {
        self.by_id
            .borrow()
            .values()
            .flat_map(|c| c.record().networks.keys().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// An exec by id.
    pub fn exec(&self, id: &str) -> Result<Rc<Exec>, ApiError> {
        self.execs
            .borrow()
            .get(id)
            .cloned()
            .ok_or_else(|| ApiError::not_found(format!("No such exec instance: {id}")))
    }

    /// Adds an exec.
    pub fn insert_exec(&self, exec: Rc<Exec>) {
        self.execs.borrow_mut().insert(exec.id.clone(), exec);
    }

    /// Forgets an exec.
    pub fn remove_exec(&self, id: &str) {
        self.execs.borrow_mut().remove(id);
    }
}
