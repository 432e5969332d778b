use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::types::{
    StringMap, Timestamp, Volume, VolumeCreateRequest, VolumeUsage, VolumesPruneReport,
};
use crate::engine::Engine;
use crate::events::attributes;
use crate::store::Op;

const BUCKET: &str = "volumes";
/// Set on volumes that Docker named.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// What is kept of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeRecord {
    pub name: String,
    pub created: Timestamp,
    pub labels: Option<StringMap>,
    pub options: Option<StringMap>,
    /// Ids of the containers that mount it.
    #[serde(skip)]
    pub users: Vec<String>,
}

/// The engine's volumes.
#[derive(Default)]
pub struct Volumes {
    by_name: RefCell<BTreeMap<String, Rc<RefCell<VolumeRecord>>>>,
}

impl VolumeRecord {
    /// As the API shows it.
    pub fn wire(&self, root: &str) -> Volume {
        Volume {
            created_at: self.created.truncate_seconds(),
            driver: "local".into(),
            labels: self.labels.clone(),
            mountpoint: mountpoint(root, &self.name),
            name: self.name.clone(),
            options: self.options.clone(),
            scope: "local".into(),
            usage_data: None,
        }
    }

    fn is_anonymous(&self) -> bool {
        self.labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(ANONYMOUS))
    }
}

/// Where Docker would keep a volume.
pub fn mountpoint(root: &str, name: &str) -> String {
    format!("{root}/volumes/{name}/_data")
}

fn no_such_volume(name: &str) -> ApiError {
    ApiError::not_found(format!("get {name}: no such volume"))
}

impl Volumes {
    /// Reads what a former engine stored.
    pub async fn load(&self, engine: &Engine) -> Result<(), ApiError> {
        for (name, json) in engine.ports().store.load(BUCKET).await? {
            if let Ok(record) = serde_json::from_slice::<VolumeRecord>(&json) {
                self.by_name
                    .borrow_mut()
                    .insert(name, Rc::new(RefCell::new(record)));
            }
        }
        Ok(())
    }

    /// A volume by name.
    pub fn get(&self, name: &str) -> Result<Rc<RefCell<VolumeRecord>>, ApiError> {
        self.by_name
            .borrow()
            .get(name)
            .cloned()
            .ok_or_else(|| no_such_volume(name))
    }

    /// Makes a volume, or finds the one of that name. An empty name is a fresh one.
    pub async fn create(
        &self,
        engine: &Engine,
        request: VolumeCreateRequest,
    ) -> Result<Volume, ApiError> {
        let root = &engine.config().root_dir;
        let mut request = request;
        if request.name.is_empty() {
            request.name = engine.new_id();
            request
                .labels
                .get_or_insert_default()
                .insert(ANONYMOUS.into(), String::new());
        }
        let name = request.name.clone();
        check_driver(&name, &request.driver)?;
        check_name(&name)?;
        check_options(&name, request.driver_opts.as_ref())?;
        if let Ok(existing) = self.get(&name) {
            return Ok(existing.borrow().wire(root));
        }
        let record = VolumeRecord {
            name: name.clone(),
            created: engine.now(),
            labels: request.labels,
            options: request.driver_opts,
            users: Vec::new(),
        };
        engine.ports().volumes.open(&name).await?;
        let value = serde_json::to_vec(&record).unwrap_or_default().into();
        engine
            .ports()
            .store
            .commit(vec![Op::Put {
                bucket: BUCKET,
                key: name.clone(),
                value,
            }])
            .await?;
        let wire = record.wire(root);
        self.by_name
            .borrow_mut()
            .insert(name.clone(), Rc::new(RefCell::new(record)));
        engine
            .events()
            .emit("volume", "create", &name, attributes([("driver", "local")]));
        Ok(wire)
    }

    /// Removes a volume nobody uses. With force a missing one is fine.
    pub async fn remove(&self, engine: &Engine, name: &str, force: bool) -> Result<(), ApiError> {
        let record = match self.get(name) {
            Err(_) if force => return Ok(()),
            other => other?,
        };
        let users = record.borrow().users.clone();
        if !users.is_empty() {
            return Err(ApiError::conflict(format!(
                "remove {name}: volume is in use - [{}]",
                users.join(", ")
            )));
        }
        engine.ports().volumes.remove(name).await?;
        engine
            .ports()
            .store
            .commit(vec![Op::Delete {
                bucket: BUCKET,
                key: name.into(),
            }])
            .await?;
        self.by_name.borrow_mut().remove(name);
        engine
            .events()
            .emit("volume", "destroy", name, attributes([("driver", "local")]));
        Ok(())
    }

    /// What is mounted in the volume's place, if its options ask for something.
    pub fn local_mount(&self, name: &str) -> Option<LocalMount> {
        let record = self.get(name).ok()?;
        let record = record.borrow();
        local_mount(record.options.as_ref()?).ok().flatten()
    }

    /// Notes that a container mounts a volume.
    pub fn add_user(&self, name: &str, container: &str) {
        if let Ok(record) = self.get(name) {
            let users = &mut record.borrow_mut().users;
            if !users.iter().any(|user| user == container) {
                users.push(container.into());
            }
        }
    }

    /// Notes that a container is gone.
    pub fn remove_user(&self, name: &str, container: &str) {
        if let Ok(record) = self.get(name) {
            record.borrow_mut().users.retain(|user| user != container);
        }
    }

    /// Volumes that pass the filters, by name.
    pub fn list(&self, engine: &Engine, filters: &Filters) -> Result<Vec<Volume>, ApiError> {
        let dangling = filters.bool("dangling")?;
        let root = &engine.config().root_dir;
        let passes = |record: &VolumeRecord| {
            filters.matches("name", &record.name)
                && filters.matches_exactly("driver", "local")
                && dangling.is_none_or(|wanted| wanted == record.users.is_empty())
                && filters
                    .matches_labels(|key| record.labels.as_ref()?.get(key).map(String::as_str))
        };
        let volumes = self.by_name.borrow();
        Ok(volumes
            .values()
            .map(|v| v.borrow())
            .filter(|v| passes(v))
            .map(|v| v.wire(root))
            .collect())
    }

    /// All volumes with their sizes, for `system df`.
    pub async fn usage(&self, engine: &Engine) -> Result<Vec<Volume>, ApiError> {
        let mut volumes = self.list(engine, &Filters::default())?;
        for volume in &mut volumes {
            let users = self.get(&volume.name).map_or(0, |v| v.borrow().users.len());
            let size = engine.ports().volumes.size(&volume.name).await?;
            volume.usage_data = Some(VolumeUsage {
                ref_count: users as i64,
                size: size as i64,
            });
        }
        Ok(volumes)
    }

    /// Removes unused volumes: anonymous ones, or all with the filter `all`
    /// (before API 1.42 always all).
    pub async fn prune(
        &self,
        engine: &Engine,
        filters: &Filters,
        all: bool,
    ) -> Result<VolumesPruneReport, ApiError> {
        let all = filters.bool("all")?.unwrap_or(all);
        let mut report = VolumesPruneReport {
            volumes_deleted: Some(Vec::new()),
            space_reclaimed: 0,
        };
        let candidates: Vec<String> = {
            let volumes = self.by_name.borrow();
            let unused = |v: &VolumeRecord| {
                v.users.is_empty()
                    && (all || v.is_anonymous())
                    && filters.matches_labels(|key| v.labels.as_ref()?.get(key).map(String::as_str))
            };
            volumes
                .values()
                .map(|v| v.borrow())
                .filter(|v| unused(v))
                .map(|v| v.name.clone())
                .collect()
        };
        for name in candidates {
            let size = engine.ports().volumes.size(&name).await.unwrap_or(0);
            if self.remove(engine, &name, false).await.is_ok() {
                report.space_reclaimed += size;
                report.volumes_deleted.get_or_insert_default().push(name);
            }
        }
        let reclaimed = report.space_reclaimed.to_string();
        engine.events().emit(
            "volume",
            "prune",
            "",
            attributes([("reclaimed", reclaimed)]),
        );
        Ok(report)
    }
}

fn check_driver(name: &str, driver: &str) -> Result<(), ApiError> {
    if matches!(driver, "" | "local") {
        return Ok(());
    }
    let message = format!(
        "create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found"
    );
    Err(ApiError::not_found(message))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.len() == 1 {
        return Err(ApiError::invalid(
            "create ".to_owned()
                + name
                + ": volume name is too short, names should be at least two alphanumeric characters",
        ));
    }
    if crate::container::names::is_valid_name(name) && name.len() <= 255 {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )))
}

/// What the local driver mounts when a container uses a volume with options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalMount {
    /// Memory, anew for each container that starts; bytes at most, and the root's mode.
    Tmpfs(Option<u64>, u32),
    /// A directory of the host.
    Bind(String),
}

/// What the options ask for; `None` for a plain directory.
fn local_mount(options: &StringMap) -> Result<Option<LocalMount>, String> {
    let option = |name: &str| options.get(name).map_or("", String::as_str);
    let (kind, device) = (option("type"), option("device"));
    let words: Vec<&str> = option("o").split(',').collect();
    match kind {
        "" if device.is_empty() && option("o").is_empty() => Ok(None),
        _ if device.is_empty() => Err("missing required option: \"device\"".into()),
        "tmpfs" => {
            let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
            let mode = value("mode=").and_then(|mode| u32::from_str_radix(mode, 8).ok());
            let size = value("size=").and_then(crate::container::spec::parse_bytes);
            Ok(Some(LocalMount::Tmpfs(size, mode.unwrap_or(0o1777))))
        }
        _ if words.iter().any(|word| matches!(*word, "bind" | "rbind")) => {
            Ok(Some(LocalMount::Bind(device.to_owned())))
        }
        "" => Err("missing required option: \"type\"".into()),
        kind => Err(format!(
            "file system {kind:?} is not supported here: use type=tmpfs or o=bind"
        )),
    }
}

/// Checks the local driver's options.
fn check_options(name: &str, options: Option<&StringMap>) -> Result<(), ApiError> {
    let Some(options) = options else {
        return Ok(());
    };
    let known = ["type", "o", "device", "size"];
    if let Some(option) = options
        .keys()
        .find(|option| !known.contains(&option.as_str()))
    {
        return Err(ApiError::invalid(format!(
            "create {name}: invalid option: {option:?}"
        )));
    }
    if options.contains_key("size") {
        return Err(ApiError::invalid(format!(
            "create {name}: quota size requested but no quota support"
        )));
    }
    local_mount(options)
        .map(drop)
        .map_err(|why| ApiError::invalid(format!("create {name}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(options: &[(&str, &str)]) -> Result<Option<LocalMount>, String> {
        local_mount(&crate::events::attributes(
            options
                .iter()
                .map(|(name, value)| (*name, value.to_string())),
        ))
    }

    #[test]
    fn the_local_driver_mounts_what_its_options_say() {
        assert_eq!(mount(&[]), Ok(None));
        assert_eq!(
            mount(&[
                ("type", "tmpfs"),
                ("device", "tmpfs"),
                ("o", "size=1m,mode=700")
            ]),
            Ok(Some(LocalMount::Tmpfs(Some(1 << 20), 0o700)))
        );
        assert_eq!(
            mount(&[("type", "none"), ("device", "/srv"), ("o", "bind")]),
            Ok(Some(LocalMount::Bind("/srv".into())))
        );
        assert_eq!(
            mount(&[("type", "tmpfs")]),
            Err("missing required option: \"device\"".into())
        );
        assert!(mount(&[("type", "nfs"), ("device", ":/x"), ("o", "addr=h")]).is_err());
    }
}
