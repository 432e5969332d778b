use serde::{Deserialize, Serialize};

use super::{StringMap, Timestamp, is_default};

/// `GET /volumes/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    #[serde(skip_serializing_if = "is_default")]
    pub created_at: Timestamp,
    pub driver: String,
    pub labels: Option<StringMap>,
    pub mountpoint: String,
    pub name: String,
    pub options: Option<StringMap>,
    pub scope: String,
    #[serde(skip_serializing_if = "is_default")]
    pub usage_data: Option<VolumeUsage>,
}

/// A volume's use, in `GET /system/df`; -1 is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeUsage {
    pub ref_count: i64,
    pub size: i64,
}

/// `GET /volumes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeList {
    pub volumes: Vec<Volume>,
    pub warnings: Option<Vec<String>>,
}

/// The body of `POST /volumes/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeCreateRequest {
    #[serde(skip_serializing_if = "is_default")]
    pub driver: String,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: Option<StringMap>,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Option<StringMap>,
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
}

/// The answer of `POST /volumes/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumesPruneReport {
    pub volumes_deleted: Option<Vec<String>>,
    pub space_reclaimed: u64,
}
