//! The image configuration document, written as Docker writes it.
//!
//! Docker marshals the image's top level through a map, so its keys come out sorted; everything
//! below keeps Go's field order, with Go's `null` for a nil list or map.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::digest::{ChainId, DiffId, ImageId};
use crate::document::{DocumentError, parse_value, refuse_case_variants, typed};
use crate::manifest::{MAX_LAYERS, Platform, to_bytes};
use crate::time::{self, UnixNanos};

const WHAT: &str = "image configuration";

/// `{}`: the value of Go's `map[string]struct{}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Empty {}

/// Go's `map[string]struct{}`.
pub type StringSet = BTreeMap<String, Empty>;

/// What a container of the image runs with (moby `container.Config`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerConfig {
    /// Host name.
    #[serde(deserialize_with = "nullable")]
    pub hostname: String,
    /// NIS domain name.
    #[serde(deserialize_with = "nullable")]
    pub domainname: String,
    /// `user[:group]`, names or numbers.
    #[serde(deserialize_with = "nullable")]
    pub user: String,
    /// Attach standard input.
    #[serde(deserialize_with = "nullable")]
    pub attach_stdin: bool,
    /// Attach standard output.
    #[serde(deserialize_with = "nullable")]
    pub attach_stdout: bool,
    /// Attach standard error.
    #[serde(deserialize_with = "nullable")]
    pub attach_stderr: bool,
    /// Ports the image listens on, `80/tcp`.
    #[serde(skip_serializing_if = "none_or_empty")]
    pub exposed_ports: Option<StringSet>,
    /// A terminal.
    #[serde(deserialize_with = "nullable")]
    pub tty: bool,
    /// Keep standard input open.
    #[serde(deserialize_with = "nullable")]
    pub open_stdin: bool,
    /// Close standard input when the first client leaves.
    #[serde(deserialize_with = "nullable")]
    pub stdin_once: bool,
    /// Environment, `NAME=value`.
    pub env: Option<Vec<String>>,
    /// Default command or arguments.
    #[serde(deserialize_with = "str_slice")]
    pub cmd: Option<Vec<String>>,
    /// How to check the container's health.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// The command is already escaped (BuildKit sets it; Windows only).
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_false")]
    pub args_escaped: bool,
    /// The image the container was made of.
    #[serde(deserialize_with = "nullable")]
    pub image: String,
    /// Mount points of anonymous volumes.
    pub volumes: Option<StringSet>,
    /// Initial working directory.
    #[serde(deserialize_with = "nullable")]
    pub working_dir: String,
    /// Program and leading arguments.
    #[serde(deserialize_with = "str_slice")]
    pub entrypoint: Option<Vec<String>>,
    /// No network.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_false")]
    pub network_disabled: bool,
    /// Fixed MAC address.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub mac_address: String,
    /// Triggers for images built on top.
    pub on_build: Option<Vec<String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Signal that `docker stop` sends.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// Seconds that `docker stop` waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Shell for shell-form instructions.
    #[serde(
        deserialize_with = "str_slice",
        skip_serializing_if = "none_or_no_words"
    )]
    pub shell: Option<Vec<String>>,
}

/// How a container's health is checked; times in nanoseconds, 0 for the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthConfig {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", …]`.
    #[serde(skip_serializing_if = "none_or_no_words")]
    pub test: Option<Vec<String>>,
    /// Between checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Of one check.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// In which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between checks in the start period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// One step of how the image came to be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// The command.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// A message.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// The step made no layer.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_false")]
    pub empty_layer: bool,
}

/// The layers, bottom first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed tars.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFs {
    fn default() -> Self {
        RootFs {
            kind: "layers".into(),
            diff_ids: Vec::new(),
        }
    }
}

/// The typed part of an image configuration. Field order is the sorted order Docker writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// Processor, `amd64`.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub architecture: String,
    /// Who made it.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// Message of the last commit or import.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// What its containers run with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<ContainerConfig>,
    /// The container it was committed from.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub container: String,
    /// That container's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<ContainerConfig>,
    /// RFC 3339.
    pub created: Option<String>,
    /// Docker's version that made it.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub docker_version: String,
    /// How it came to be.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Operating system, `linux`.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub os: String,
    /// Windows' build.
    #[serde(
        rename = "os.version",
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// Its layers.
    pub rootfs: RootFs,
    /// Processor variant.
    #[serde(
        deserialize_with = "nullable",
        skip_serializing_if = "String::is_empty"
    )]
    pub variant: String,
}

const TOP_KEYS: &[&str] = &[
    "architecture",
    "author",
    "comment",
    "config",
    "container",
    "container_config",
    "created",
    "docker_version",
    "history",
    "os",
    "os.version",
    "rootfs",
    "variant",
];
const ROOTFS_KEYS: &[&str] = &["type", "diff_ids"];
const CONFIG_KEYS: &[&str] = &[
    "User",
    "ExposedPorts",
    "Env",
    "Cmd",
    "Healthcheck",
    "Volumes",
    "WorkingDir",
    "Entrypoint",
    "OnBuild",
    "Labels",
    "StopSignal",
    "Shell",
];

impl ImageConfig {
    /// Reads a configuration. The caller keeps the bytes: their digest is the image's ID.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig, DocumentError> {
        let value = parse_value(WHAT, bytes)?;
        let Value::Object(object) = &value else {
            return Err(DocumentError::RootFs);
        };
        refuse_case_variants(WHAT, object, TOP_KEYS)?;
        match object.get("rootfs") {
            Some(Value::Object(rootfs)) => refuse_case_variants(WHAT, rootfs, ROOTFS_KEYS)?,
            _ => return Err(DocumentError::RootFs),
        }
        for key in ["config", "container_config"] {
            if let Some(Value::Object(config)) = object.get(key) {
                refuse_case_variants(WHAT, config, CONFIG_KEYS)?;
            }
        }
        let config: ImageConfig = typed(WHAT, value)?;
        if config.rootfs.kind != "layers" {
            return Err(DocumentError::RootFs);
        }
        if config.rootfs.diff_ids.len() > MAX_LAYERS {
            let count = config.rootfs.diff_ids.len();
            return Err(DocumentError::TooMany {
                what: WHAT,
                of: "layers",
                count,
                limit: MAX_LAYERS,
            });
        }
        Ok(config)
    }

    /// The bytes Docker would write for this configuration.
    pub fn to_bytes(&self) -> Bytes {
        to_bytes(self).into()
    }

    /// When it was created; `None` if unsaid or unreadable.
    pub fn created_at(&self) -> Option<UnixNanos> {
        self.created.as_deref().and_then(time::parse)
    }

    /// For which platform; Docker takes a missing system for Linux.
    pub fn platform(&self) -> Platform {
        let or = |s: &String, d: &str| if s.is_empty() { d.into() } else { s.clone() };
        Platform {
            architecture: or(&self.architecture, "amd64"),
            os: or(&self.os, "linux"),
            os_version: None,
            variant: (!self.variant.is_empty()).then(|| self.variant.clone()),
        }
    }

    /// The chain of its layers; `None` for no layers.
    pub fn chain_id(&self) -> Option<ChainId> {
        ChainId::top(&self.rootfs.diff_ids)
    }

    /// Refuses a manifest whose number of layers differs from the configuration's.
    pub fn check_layers(&self, layers: usize) -> Result<(), DocumentError> {
        let diff_ids = self.rootfs.diff_ids.len();
        if diff_ids != layers {
            return Err(DocumentError::LayerCount { layers, diff_ids });
        }
        Ok(())
    }
}

/// A configuration with the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawConfig {
    /// The bytes, verbatim.
    pub raw: Bytes,
    /// Their typed view.
    pub config: ImageConfig,
}

impl RawConfig {
    /// Reads a configuration and keeps its bytes.
    pub fn parse(raw: Bytes) -> Result<RawConfig, DocumentError> {
        let config = ImageConfig::parse(&raw)?;
        Ok(RawConfig { raw, config })
    }

    /// Writes a new configuration.
    pub fn new(config: ImageConfig) -> RawConfig {
        RawConfig {
            raw: config.to_bytes(),
            config,
        }
    }

    /// The image's ID.
    pub fn id(&self) -> ImageId {
        ImageId::of_config(&self.raw)
    }
}

fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

/// Go's `strslice.StrSlice`: a list, or one string.
fn str_slice<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(
        Option::<Either>::deserialize(d)?.map(|either| match either {
            Either::One(s) => vec![s],
            Either::Many(list) => list,
        }),
    )
}

fn is_false(b: &bool) -> bool {
    !*b
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

fn none_or_empty(set: &Option<StringSet>) -> bool {
    set.as_ref().is_none_or(BTreeMap::is_empty)
}

fn none_or_no_words(list: &Option<Vec<String>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn written_as_docker_writes_it() {
        let mut config = ImageConfig {
            architecture: "amd64".into(),
            os: "linux".into(),
            created: Some("2023-05-18T22:34:17Z".into()),
            config: Some(ContainerConfig {
                env: Some(vec!["PATH=/bin".into()]),
                cmd: Some(vec!["sh".into()]),
                ..Default::default()
            }),
            ..Default::default()
        };
        config.rootfs.diff_ids.push(DiffId(Digest::of(b"")));
        config.history.push(History {
            created_by: "x".into(),
            empty_layer: true,
            ..Default::default()
        });
        let expected = format!(
            concat!(
                r#"{{"architecture":"amd64","config":{{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"#,
                r#""AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"#,
                r#""Env":["PATH=/bin"],"Cmd":["sh"],"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"#,
                r#""OnBuild":null,"Labels":null}},"created":"2023-05-18T22:34:17Z","#,
                r#""history":[{{"created_by":"x","empty_layer":true}}],"os":"linux","#,
                r#""rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#
            ),
            Digest::of(b"")
        );
        assert_eq!(String::from_utf8_lossy(&config.to_bytes()), expected);
        assert_eq!(ImageConfig::parse(&config.to_bytes()), Ok(config));
    }

    #[test]
    fn bytes_are_kept() {
        let text = br#"{ "x": 1, "rootfs": {"type":"layers"}, "config": null }"#;
        let raw = RawConfig::parse(Bytes::from_static(text)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(&raw.raw[..], text);
        assert_eq!(raw.id().0, Digest::of(text));
    }

    #[test]
    fn commands_may_be_one_string_and_nothing_else() {
        let parse = |entrypoint: Value| {
            let text = json!({"rootfs": {"type": "layers"}, "config": {"Entrypoint": entrypoint}});
            ImageConfig::parse(text.to_string().as_bytes())
        };
        let one = parse(json!("sh"))
            .ok()
            .and_then(|c| c.config)
            .and_then(|c| c.entrypoint);
        assert_eq!(one, Some(vec!["sh".to_string()]));
        for bad in [json!(1), json!({}), json!([1]), json!(true)] {
            assert!(parse(bad).is_err());
        }
    }

    #[test]
    fn hostile_configurations_are_refused() {
        let many = vec![Digest::of(b""); 600];
        let table = [
            json!({}),
            json!([]),
            json!({"rootfs": null}),
            json!({"rootfs": {"type": "base"}}),
            json!({"rootfs": {"type": "layers", "diff_ids": ["sha256:x"]}}),
            json!({"rootfs": {"type": "layers", "DIFF_IDS": []}}),
            json!({"RootFS": {"type": "layers"}, "rootfs": {"type": "layers"}}),
            json!({"rootfs": {"type": "layers"}, "config": {"env": ["A=1"]}}),
            json!({"rootfs": {"type": "layers", "diff_ids": many}}),
        ];
        for value in table {
            assert!(
                ImageConfig::parse(value.to_string().as_bytes()).is_err(),
                "{value}"
            );
        }
        let config = ImageConfig::default();
        assert_eq!(
            config.check_layers(2).map_err(|e| e.to_string()),
            Err("invalid manifest, layers length mismatch: expected 2, got 0".into())
        );
    }

    proptest! {
        #[test]
        fn parsing_undoes_printing(
            author in "\\PC{0,20}", words in proptest::option::of(proptest::collection::vec("\\PC{0,8}", 0..4)),
            labels in proptest::option::of(proptest::collection::btree_map("\\PC{1,8}", "\\PC{0,8}", 0..4)),
        ) {
            let config = ImageConfig {
                author,
                config: Some(ContainerConfig { cmd: words.clone(), env: words, labels, ..Default::default() }),
                ..Default::default()
            };
            prop_assert_eq!(ImageConfig::parse(&config.to_bytes()), Ok(config));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            let _ = ImageConfig::parse(&bytes);
        }
    }
}
