//! What is kept of a container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::State;
use crate::api::types::{
    ContainerConfig, EndpointSettings, HostConfig, MountPoint, PortMap, Timestamp,
};

/// A container's durable part; what is missing here ends with the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// 64 hex digits.
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    pub created: Timestamp,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    pub config: ContainerConfig,
    pub host_config: HostConfig,
    /// `sha256:…` of the image.
    pub image_id: String,
    /// The image's top layer, if it has layers.
    pub layer: Option<String>,
    pub state: State,
    pub restart_count: i64,
    pub mounts: Vec<MountPoint>,
    /// Destinations of the anonymous volumes made for it, removed by `rm -v` and `--rm`.
    pub anonymous_volumes: Vec<String>,
    /// Destinations of volumes that take the image's content on first use.
    pub copy_up: Vec<String>,
    /// By network name, in the order they were joined.
    pub networks: BTreeMap<String, EndpointSettings>,
    /// Published ports while it runs.
    pub ports: PortMap,
    /// The network sandbox's id while it runs.
    pub sandbox_id: String,
    /// Whether someone stopped it: `unless-stopped` leaves it then.
    pub manually_stopped: bool,
    /// Whether it ever ran.
    pub started_before: bool,
}

impl Record {
    /// The short id.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// Seconds `stop` waits before killing.
    pub fn stop_timeout(&self) -> i64 {
        self.config.stop_timeout.unwrap_or(10)
    }

    /// The command as lists show it: arguments with blanks in single quotes.
    pub fn command(&self) -> String {
        let quoted = |arg: &String| {
            if arg.contains(' ') {
                format!("'{arg}'")
            } else {
                arg.clone()
            }
        };
        let mut words = vec![self.path.clone()];
        words.extend(self.args.iter().map(quoted));
        words.join(" ").trim_end().to_owned()
    }
}
