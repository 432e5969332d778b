//! The Go types behind `docker inspect`: field names, JSON names and zero values, so that templates see a
//! document as the Go client's structs show it.

use bottleship_gotmpl::{Field as GoField, List, Map, Ptr, Struct as GoStruct, Value};
use serde_json::Value as J;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A Go type.
pub enum Shape {
    Str,
    Bool,
    Int,
    /// `interface {}`
    Any,
    /// `time.Time`
    Time,
    List(&'static Shape),
    Map(&'static Shape),
    Ptr(&'static Shape),
    Obj(&'static Struct),
}

/// A struct type.
pub struct Struct {
    pub name: &'static str,
    pub fields: &'static [Field],
}

/// A field: its Go name, its JSON name, its type, and whether it is left out of JSON when empty.
pub struct Field(&'static str, &'static str, Shape, bool);

impl Field {
    /// A field that is always there.
    pub const fn new(name: &'static str, json: &'static str, shape: Shape) -> Field {
        Field(name, json, shape, false)
    }

    /// A field left out of JSON when empty.
    pub const fn optional(name: &'static str, json: &'static str, shape: Shape) -> Field {
        Field(name, json, shape, true)
    }
}

use Shape::{Any, Bool, Int, List as L, Map as M, Obj, Ptr as P, Str, Time};

const fn f(name: &'static str, shape: Shape) -> Field {
    Field(name, name, shape, false)
}

const fn omit(name: &'static str, shape: Shape) -> Field {
    Field(name, name, shape, true)
}

const fn j(name: &'static str, json: &'static str, shape: Shape) -> Field {
    Field(name, json, shape, false)
}

const STRINGS: Shape = L(&Str);
const TEXTS: Shape = M(&Str);
const EMPTY: Struct = Struct {
    name: "struct {}",
    fields: &[],
};
const SET: Shape = M(&Obj(&EMPTY));

const BINDING: Struct = Struct {
    name: "nat.PortBinding",
    fields: &[j("HostIP", "HostIp", Str), f("HostPort", Str)],
};
const BINDINGS: Shape = M(&L(&Obj(&BINDING)));

const HEALTH_RESULT: Struct = Struct {
    name: "container.HealthcheckResult",
    fields: &[
        f("Start", Time),
        f("End", Time),
        f("ExitCode", Int),
        f("Output", Str),
    ],
};
const HEALTH: Struct = Struct {
    name: "container.Health",
    fields: &[
        f("Status", Str),
        f("FailingStreak", Int),
        f("Log", L(&P(&Obj(&HEALTH_RESULT)))),
    ],
};
const STATE: Struct = Struct {
    name: "container.State",
    fields: &[
        f("Status", Str),
        f("Running", Bool),
        f("Paused", Bool),
        f("Restarting", Bool),
        f("OOMKilled", Bool),
        f("Dead", Bool),
        f("Pid", Int),
        f("ExitCode", Int),
        f("Error", Str),
        f("StartedAt", Str),
        f("FinishedAt", Str),
        omit("Health", P(&Obj(&HEALTH))),
    ],
};
const HEALTH_CONFIG: Struct = Struct {
    name: "v1.HealthcheckConfig",
    fields: &[
        omit("Test", STRINGS),
        omit("Interval", Int),
        omit("Timeout", Int),
        omit("StartPeriod", Int),
        omit("StartInterval", Int),
        omit("Retries", Int),
    ],
};
const CONFIG: Struct = Struct {
    name: "container.Config",
    fields: &[
        f("Hostname", Str),
        f("Domainname", Str),
        f("User", Str),
        f("AttachStdin", Bool),
        f("AttachStdout", Bool),
        f("AttachStderr", Bool),
        omit("ExposedPorts", SET),
        f("Tty", Bool),
        f("OpenStdin", Bool),
        f("StdinOnce", Bool),
        f("Env", STRINGS),
        f("Cmd", STRINGS),
        omit("Healthcheck", P(&Obj(&HEALTH_CONFIG))),
        omit("ArgsEscaped", Bool),
        f("Image", Str),
        f("Volumes", SET),
        f("WorkingDir", Str),
        f("Entrypoint", STRINGS),
        omit("NetworkDisabled", Bool),
        omit("MacAddress", Str),
        f("OnBuild", STRINGS),
        f("Labels", TEXTS),
        omit("StopSignal", Str),
        omit("StopTimeout", P(&Int)),
        omit("Shell", STRINGS),
    ],
};
const LOG_CONFIG: Struct = Struct {
    name: "container.LogConfig",
    fields: &[f("Type", Str), f("Config", TEXTS)],
};
const RESTART: Struct = Struct {
    name: "container.RestartPolicy",
    fields: &[f("Name", Str), f("MaximumRetryCount", Int)],
};
const WEIGHT: Struct = Struct {
    name: "blkiodev.WeightDevice",
    fields: &[f("Path", Str), f("Weight", Int)],
};
const THROTTLE: Struct = Struct {
    name: "blkiodev.ThrottleDevice",
    fields: &[f("Path", Str), f("Rate", Int)],
};
const DEVICE: Struct = Struct {
    name: "container.DeviceMapping",
    fields: &[
        f("PathOnHost", Str),
        f("PathInContainer", Str),
        f("CgroupPermissions", Str),
    ],
};
const ULIMIT: Struct = Struct {
    name: "units.Ulimit",
    fields: &[f("Name", Str), f("Hard", Int), f("Soft", Int)],
};
const MOUNT: Struct = Struct {
    name: "mount.Mount",
    fields: &[
        omit("Type", Str),
        omit("Source", Str),
        omit("Target", Str),
        omit("ReadOnly", Bool),
        omit("Consistency", Str),
        omit("BindOptions", Any),
        omit("VolumeOptions", Any),
        omit("ImageOptions", Any),
        omit("TmpfsOptions", Any),
        omit("ClusterOptions", Any),
    ],
};
const HOST_CONFIG: Struct = Struct {
    name: "container.HostConfig",
    fields: &[
        f("Binds", STRINGS),
        f("ContainerIDFile", Str),
        f("LogConfig", Obj(&LOG_CONFIG)),
        f("NetworkMode", Str),
        f("PortBindings", BINDINGS),
        f("RestartPolicy", Obj(&RESTART)),
        f("AutoRemove", Bool),
        f("VolumeDriver", Str),
        f("VolumesFrom", STRINGS),
        f("ConsoleSize", L(&Int)),
        omit("Annotations", TEXTS),
        f("CapAdd", STRINGS),
        f("CapDrop", STRINGS),
        f("CgroupnsMode", Str),
        j("DNS", "Dns", STRINGS),
        j("DNSOptions", "DnsOptions", STRINGS),
        j("DNSSearch", "DnsSearch", STRINGS),
        f("ExtraHosts", STRINGS),
        f("GroupAdd", STRINGS),
        f("IpcMode", Str),
        f("Cgroup", Str),
        f("Links", STRINGS),
        f("OomScoreAdj", Int),
        f("PidMode", Str),
        f("Privileged", Bool),
        f("PublishAllPorts", Bool),
        f("ReadonlyRootfs", Bool),
        f("SecurityOpt", STRINGS),
        omit("StorageOpt", TEXTS),
        omit("Tmpfs", TEXTS),
        f("UTSMode", Str),
        f("UsernsMode", Str),
        f("ShmSize", Int),
        omit("Sysctls", TEXTS),
        omit("Runtime", Str),
        f("Isolation", Str),
        j("CPUShares", "CpuShares", Int),
        f("Memory", Int),
        j("NanoCPUs", "NanoCpus", Int),
        f("CgroupParent", Str),
        f("BlkioWeight", Int),
        f("BlkioWeightDevice", L(&P(&Obj(&WEIGHT)))),
        f("BlkioDeviceReadBps", L(&P(&Obj(&THROTTLE)))),
        f("BlkioDeviceWriteBps", L(&P(&Obj(&THROTTLE)))),
        f("BlkioDeviceReadIOps", L(&P(&Obj(&THROTTLE)))),
        f("BlkioDeviceWriteIOps", L(&P(&Obj(&THROTTLE)))),
        j("CPUPeriod", "CpuPeriod", Int),
        j("CPUQuota", "CpuQuota", Int),
        j("CPURealtimePeriod", "CpuRealtimePeriod", Int),
        j("CPURealtimeRuntime", "CpuRealtimeRuntime", Int),
        f("CpusetCpus", Str),
        f("CpusetMems", Str),
        f("Devices", L(&Obj(&DEVICE))),
        f("DeviceCgroupRules", STRINGS),
        f("DeviceRequests", L(&Any)),
        omit("KernelMemory", Int),
        omit("KernelMemoryTCP", Int),
        f("MemoryReservation", Int),
        f("MemorySwap", Int),
        f("MemorySwappiness", P(&Int)),
        f("OomKillDisable", P(&Bool)),
        f("PidsLimit", P(&Int)),
        f("Ulimits", L(&P(&Obj(&ULIMIT)))),
        j("CPUCount", "CpuCount", Int),
        j("CPUPercent", "CpuPercent", Int),
        f("IOMaximumIOps", Int),
        f("IOMaximumBandwidth", Int),
        omit("Mounts", L(&Obj(&MOUNT))),
        f("MaskedPaths", STRINGS),
        f("ReadonlyPaths", STRINGS),
        omit("Init", P(&Bool)),
    ],
};
const ENDPOINT_IPAM: Struct = Struct {
    name: "network.EndpointIPAMConfig",
    fields: &[
        omit("IPv4Address", Str),
        omit("IPv6Address", Str),
        omit("LinkLocalIPs", STRINGS),
    ],
};
const ENDPOINT: Struct = Struct {
    name: "network.EndpointSettings",
    fields: &[
        f("IPAMConfig", P(&Obj(&ENDPOINT_IPAM))),
        f("Links", STRINGS),
        f("Aliases", STRINGS),
        f("MacAddress", Str),
        f("DriverOpts", TEXTS),
        f("GwPriority", Int),
        f("NetworkID", Str),
        f("EndpointID", Str),
        f("Gateway", Str),
        f("IPAddress", Str),
        f("IPPrefixLen", Int),
        f("IPv6Gateway", Str),
        f("GlobalIPv6Address", Str),
        f("GlobalIPv6PrefixLen", Int),
        f("DNSNames", STRINGS),
    ],
};
const NETWORK_SETTINGS: Struct = Struct {
    name: "container.NetworkSettings",
    fields: &[
        f("Bridge", Str),
        f("SandboxID", Str),
        f("SandboxKey", Str),
        f("Ports", BINDINGS),
        f("HairpinMode", Bool),
        f("LinkLocalIPv6Address", Str),
        f("LinkLocalIPv6PrefixLen", Int),
        f("SecondaryIPAddresses", L(&Any)),
        f("SecondaryIPv6Addresses", L(&Any)),
        f("EndpointID", Str),
        f("Gateway", Str),
        f("GlobalIPv6Address", Str),
        f("GlobalIPv6PrefixLen", Int),
        f("IPAddress", Str),
        f("IPPrefixLen", Int),
        f("IPv6Gateway", Str),
        f("MacAddress", Str),
        f("Networks", M(&P(&Obj(&ENDPOINT)))),
    ],
};
const MOUNT_POINT: Struct = Struct {
    name: "container.MountPoint",
    fields: &[
        omit("Type", Str),
        omit("Name", Str),
        f("Source", Str),
        f("Destination", Str),
        omit("Driver", Str),
        f("Mode", Str),
        f("RW", Bool),
        f("Propagation", Str),
    ],
};
const DRIVER_DATA: Struct = Struct {
    name: "storage.DriverData",
    fields: &[f("Data", TEXTS), f("Name", Str)],
};

/// `docker container inspect`.
pub const CONTAINER: Struct = Struct {
    name: "container.InspectResponse",
    fields: &[
        j("ID", "Id", Str),
        f("Created", Str),
        f("Path", Str),
        f("Args", STRINGS),
        f("State", P(&Obj(&STATE))),
        f("Image", Str),
        f("ResolvConfPath", Str),
        f("HostnamePath", Str),
        f("HostsPath", Str),
        f("LogPath", Str),
        f("Name", Str),
        f("RestartCount", Int),
        f("Driver", Str),
        f("Platform", Str),
        f("MountLabel", Str),
        f("ProcessLabel", Str),
        f("AppArmorProfile", Str),
        f("ExecIDs", STRINGS),
        f("HostConfig", P(&Obj(&HOST_CONFIG))),
        f("GraphDriver", Obj(&DRIVER_DATA)),
        omit("SizeRw", P(&Int)),
        omit("SizeRootFs", P(&Int)),
        f("Mounts", L(&Obj(&MOUNT_POINT))),
        f("Config", P(&Obj(&CONFIG))),
        f("NetworkSettings", P(&Obj(&NETWORK_SETTINGS))),
    ],
};
const ROOTFS: Struct = Struct {
    name: "image.RootFS",
    fields: &[omit("Type", Str), omit("Layers", STRINGS)],
};
const METADATA: Struct = Struct {
    name: "image.Metadata",
    fields: &[omit("LastTagTime", Time)],
};
const IMAGE_CONFIG: Struct = Struct {
    name: "v1.DockerOCIImageConfig",
    fields: &[
        omit("User", Str),
        omit("ExposedPorts", SET),
        omit("Env", STRINGS),
        omit("Entrypoint", STRINGS),
        omit("Cmd", STRINGS),
        omit("Volumes", SET),
        omit("WorkingDir", Str),
        omit("Labels", TEXTS),
        omit("StopSignal", Str),
        omit("ArgsEscaped", Bool),
        omit("Healthcheck", P(&Obj(&HEALTH_CONFIG))),
        omit("OnBuild", STRINGS),
        omit("Shell", STRINGS),
    ],
};

/// `docker image inspect`.
pub const IMAGE: Struct = Struct {
    name: "image.InspectResponse",
    fields: &[
        j("ID", "Id", Str),
        f("RepoTags", STRINGS),
        f("RepoDigests", STRINGS),
        f("Parent", Str),
        f("Comment", Str),
        omit("Created", Str),
        omit("Container", Str),
        omit("ContainerConfig", P(&Obj(&CONFIG))),
        f("DockerVersion", Str),
        f("Author", Str),
        f("Config", P(&Obj(&IMAGE_CONFIG))),
        f("Architecture", Str),
        omit("Variant", Str),
        f("Os", Str),
        omit("OsVersion", Str),
        f("Size", Int),
        omit("VirtualSize", Int),
        f("GraphDriver", Obj(&DRIVER_DATA)),
        f("RootFS", Obj(&ROOTFS)),
        f("Metadata", Obj(&METADATA)),
    ],
};
const IPAM_CONFIG: Struct = Struct {
    name: "network.IPAMConfig",
    fields: &[
        omit("Subnet", Str),
        omit("IPRange", Str),
        omit("Gateway", Str),
        Field("AuxAddress", "AuxiliaryAddresses", TEXTS, true),
    ],
};
const IPAM: Struct = Struct {
    name: "network.IPAM",
    fields: &[
        f("Driver", Str),
        f("Options", TEXTS),
        f("Config", L(&Obj(&IPAM_CONFIG))),
    ],
};
const CONFIG_FROM: Struct = Struct {
    name: "network.ConfigReference",
    fields: &[f("Network", Str)],
};
const NETWORK_CONTAINER: Struct = Struct {
    name: "network.EndpointResource",
    fields: &[
        f("Name", Str),
        f("EndpointID", Str),
        f("MacAddress", Str),
        f("IPv4Address", Str),
        f("IPv6Address", Str),
    ],
};

/// `docker network inspect`.
pub const NETWORK: Struct = Struct {
    name: "network.Inspect",
    fields: &[
        f("Name", Str),
        j("ID", "Id", Str),
        f("Created", Time),
        f("Scope", Str),
        f("Driver", Str),
        f("EnableIPv4", Bool),
        f("EnableIPv6", Bool),
        f("IPAM", Obj(&IPAM)),
        f("Internal", Bool),
        f("Attachable", Bool),
        f("Ingress", Bool),
        f("ConfigFrom", Obj(&CONFIG_FROM)),
        f("ConfigOnly", Bool),
        f("Containers", M(&Obj(&NETWORK_CONTAINER))),
        f("Options", TEXTS),
        f("Labels", TEXTS),
        omit("Peers", L(&Any)),
        omit("Services", M(&Any)),
    ],
};
const USAGE: Struct = Struct {
    name: "volume.UsageData",
    fields: &[f("RefCount", Int), f("Size", Int)],
};

/// `docker volume inspect`.
pub const VOLUME: Struct = Struct {
    name: "volume.Volume",
    fields: &[
        omit("ClusterVolume", Any),
        omit("CreatedAt", Str),
        f("Driver", Str),
        f("Labels", TEXTS),
        f("Mountpoint", Str),
        f("Name", Str),
        f("Options", TEXTS),
        f("Scope", Str),
        omit("Status", M(&Any)),
        omit("UsageData", P(&Obj(&USAGE))),
    ],
};

impl Struct {
    /// The document as a value of this type; members of other names are ignored, missing ones are zero.
    pub fn value(&'static self, doc: &J) -> Value {
        Value::Struct(Rc::new(GoStruct {
            name: self.name.into(),
            row: false,
            fields: self
                .fields
                .iter()
                .map(|Field(name, json, shape, omit)| GoField {
                    name: (*name).into(),
                    json: (*json).into(),
                    omit_empty: *omit,
                    value: shape.value(doc.get(*json).unwrap_or(&J::Null)),
                })
                .collect(),
        }))
    }
}

impl Shape {
    fn type_name(&self) -> String {
        match self {
            Str => "string".into(),
            Bool => "bool".into(),
            Int => "int64".into(),
            Any => "interface {}".into(),
            Time => "time.Time".into(),
            L(s) => format!("[]{}", s.type_name()),
            M(s) => format!("map[string]{}", s.type_name()),
            P(s) => format!("*{}", s.type_name()),
            Obj(s) => s.name.into(),
        }
    }

    fn value(&'static self, doc: &J) -> Value {
        match self {
            Str => doc.as_str().unwrap_or("").into(),
            Bool => doc.as_bool().unwrap_or(false).into(),
            Int => doc
                .as_i64()
                .or_else(|| doc.as_f64().map(|f| f as i64))
                .unwrap_or(0)
                .into(),
            Any => Value::from(doc),
            Time => time(doc.as_str().unwrap_or("")),
            L(s) => Value::List(Rc::new(List {
                elem: s.type_name().into(),
                nil: !doc.is_array(),
                items: doc
                    .as_array()
                    .map_or(&[][..], |a| a)
                    .iter()
                    .map(|v| s.value(v))
                    .collect(),
            })),
            M(s) => Value::Map(Rc::new(Map {
                name: None,
                elem: s.type_name().into(),
                nil: !doc.is_object(),
                entries: match doc {
                    J::Object(o) => o
                        .iter()
                        .map(|(k, v)| (k.as_str().into(), s.value(v)))
                        .collect(),
                    _ => BTreeMap::new(),
                },
            })),
            P(s) => Value::Ptr(Rc::new(Ptr {
                elem: s.type_name().into(),
                to: if doc.is_null() {
                    None
                } else {
                    Some(s.value(doc))
                },
                fields: match s {
                    Obj(s) => s.fields.iter().map(|f| f.0.into()).collect(),
                    _ => Vec::new(),
                },
            })),
            Obj(s) => s.value(doc),
        }
    }
}

fn time(text: &str) -> Value {
    let text = if text.is_empty() {
        "0001-01-01T00:00:00Z"
    } else {
        text
    };
    let (s, n) = super::units::parse_rfc3339(text).unwrap_or((0, 0));
    let mut json = String::new();
    bottleship_gotmpl::write_json_string(&mut json, text, true);
    Value::Text(Rc::new(bottleship_gotmpl::Text {
        name: "time.Time".into(),
        text: super::units::go_time(s, n),
        json,
    }))
}
