use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    EndpointSettings, HostConfig, NetworkSettings, Resources, RestartPolicy, StringMap, StringSet,
    Timestamp, is_default, str_slice,
};

/// What runs in a container, independent of the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub exposed_ports: Option<StringSet>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: Option<Vec<String>>,
    #[serde(deserialize_with = "str_slice")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub healthcheck: Option<HealthConfig>,
    #[serde(skip_serializing_if = "is_default")]
    pub args_escaped: bool,
    pub image: String,
    pub volumes: Option<StringSet>,
    pub working_dir: String,
    #[serde(deserialize_with = "str_slice")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub network_disabled: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub mac_address: String,
    pub on_build: Option<Vec<String>>,
    pub labels: Option<StringMap>,
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: String,
    #[serde(skip_serializing_if = "is_default")]
    pub stop_timeout: Option<i64>,
    #[serde(deserialize_with = "str_slice", skip_serializing_if = "is_default")]
    pub shell: Option<Vec<String>>,
}

/// A health check; durations in nanoseconds, 0 inherits the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `[]` inherits, `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", command]`.
    #[serde(skip_serializing_if = "is_default")]
    pub test: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub retries: i64,
}

/// The body of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: ContainerConfig,
    pub host_config: Option<HostConfig>,
    pub networking_config: Option<NetworkingConfig>,
}

/// The networks a new container joins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkingConfig {
    pub endpoints_config: BTreeMap<String, EndpointSettings>,
}

/// The answer of `POST /containers/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

/// `GET /containers/{id}/json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerInspect {
    pub id: String,
    pub created: Timestamp,
    pub path: String,
    pub args: Vec<String>,
    pub state: ContainerState,
    pub image: String,
    pub resolv_conf_path: String,
    pub hostname_path: String,
    pub hosts_path: String,
    pub log_path: String,
    pub name: String,
    pub restart_count: i64,
    pub driver: String,
    pub platform: String,
    pub mount_label: String,
    pub process_label: String,
    pub app_armor_profile: String,
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    pub host_config: HostConfig,
    pub graph_driver: GraphDriverData,
    #[serde(skip_serializing_if = "is_default")]
    pub size_rw: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    pub size_root_fs: Option<i64>,
    pub mounts: Vec<MountPoint>,
    pub config: ContainerConfig,
    pub network_settings: NetworkSettings,
}

/// A container's state as `inspect` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerState {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    pub status: String,
    pub running: bool,
    pub paused: bool,
    pub restarting: bool,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub dead: bool,
    pub pid: i64,
    pub exit_code: i64,
    pub error: String,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<Health>,
}

/// A container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    pub failing_streak: i64,
    /// The last five probes, oldest first.
    pub log: Vec<HealthcheckResult>,
}

/// One probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthcheckResult {
    pub start: Timestamp,
    pub end: Timestamp,
    pub exit_code: i64,
    pub output: String,
}

/// Where a container's layers are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GraphDriverData {
    pub data: Option<StringMap>,
    pub name: String,
}

/// A mount as `inspect` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MountPoint {
    #[serde(skip_serializing_if = "is_default")]
    pub r#type: String,
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub source: String,
    pub destination: String,
    #[serde(skip_serializing_if = "is_default")]
    pub driver: String,
    pub mode: String,
    #[serde(rename = "RW")]
    pub rw: bool,
    pub propagation: String,
}

/// One row of `GET /containers/json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSummary {
    pub id: String,
    pub names: Vec<String>,
    pub image: String,
    #[serde(rename = "ImageID")]
    pub image_id: String,
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    pub ports: Vec<Port>,
    #[serde(skip_serializing_if = "is_default")]
    pub size_rw: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub size_root_fs: i64,
    pub labels: StringMap,
    pub state: String,
    pub status: String,
    pub host_config: SummaryHostConfig,
    pub network_settings: SummaryNetworkSettings,
    pub mounts: Vec<MountPoint>,
}

/// The part of `HostConfig` that lists show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryHostConfig {
    #[serde(skip_serializing_if = "is_default")]
    pub network_mode: String,
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: Option<StringMap>,
}

/// The part of `NetworkSettings` that lists show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryNetworkSettings {
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// An open port in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Port {
    #[serde(rename = "IP", skip_serializing_if = "is_default")]
    pub ip: String,
    pub private_port: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub public_port: u16,
    pub r#type: String,
}

/// The answer of `POST /containers/{id}/wait`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitResponse {
    #[serde(skip_serializing_if = "is_default")]
    pub error: Option<WaitExitError>,
    pub status_code: i64,
}

/// Why a wait failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitExitError {
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
}

/// One row of `GET /containers/{id}/changes`; 0 is modified, 1 added, 2 deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FilesystemChange {
    pub kind: u8,
    pub path: String,
}

/// `GET /containers/{id}/top`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TopResponse {
    pub processes: Vec<Vec<String>>,
    pub titles: Vec<String>,
}

/// The body of `POST /containers/{id}/update`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateRequest {
    #[serde(flatten)]
    pub resources: Resources,
    pub restart_policy: RestartPolicy,
}

/// The answer of `POST /containers/{id}/update`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateResponse {
    pub warnings: Option<Vec<String>>,
}

/// What `X-Docker-Container-Path-Stat` holds, as base64 of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerPathStat {
    pub name: String,
    pub size: i64,
    /// Go's `os.FileMode`: permission bits, and type bits at the top.
    pub mode: u32,
    pub mtime: Timestamp,
    #[serde(rename = "linkTarget")]
    pub link_target: String,
}

/// The answer of `POST /containers/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainersPruneReport {
    pub containers_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}
