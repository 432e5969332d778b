use serde::{Deserialize, Serialize};

use super::{ContainerConfig, GraphDriverData, StringMap, Timestamp, is_default};

/// One row of `GET /images/json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageSummary {
    /// Containers using it; -1 when not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    pub id: String,
    pub labels: Option<StringMap>,
    pub parent_id: String,
    pub repo_digests: Vec<String>,
    pub repo_tags: Vec<String>,
    /// Bytes shared with other images; -1 when not computed.
    pub shared_size: i64,
    /// Bytes of all layers.
    pub size: i64,
}

/// `GET /images/{name}/json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageInspect {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    #[serde(skip_serializing_if = "is_default")]
    pub created: Option<Timestamp>,
    pub docker_version: String,
    pub author: String,
    pub config: Option<ContainerConfig>,
    pub architecture: String,
    #[serde(skip_serializing_if = "is_default")]
    pub variant: String,
    pub os: String,
    #[serde(skip_serializing_if = "is_default")]
    pub os_version: String,
    pub size: i64,
    pub graph_driver: GraphDriverData,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFsInspect,
    pub metadata: ImageMetadata,
}

/// An image's layers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RootFsInspect {
    pub r#type: String,
    #[serde(skip_serializing_if = "is_default")]
    pub layers: Option<Vec<String>>,
}

/// Local facts about an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageMetadata {
    pub last_tag_time: Timestamp,
}

/// One row of `GET /images/{name}/history`, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageHistory {
    pub comment: String,
    /// Seconds since 1970.
    pub created: i64,
    pub created_by: String,
    /// `<missing>` when no image of that step is there.
    pub id: String,
    pub size: i64,
    pub tags: Option<Vec<String>>,
}

/// One row of the answer of `DELETE /images/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageDelete {
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: String,
    #[serde(skip_serializing_if = "is_default")]
    pub untagged: String,
}

/// The answer of `POST /images/prune`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImagesPruneReport {
    pub images_deleted: Option<Vec<ImageDelete>>,
    pub space_reclaimed: u64,
}

/// One row of `GET /images/search`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchResult {
    pub star_count: i64,
    pub is_official: bool,
    pub name: String,
    pub is_automated: bool,
    pub description: String,
}

/// `GET /distribution/{name}/json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DistributionInspect {
    pub descriptor: WireDescriptor,
    pub platforms: Vec<WirePlatform>,
}

/// An OCI descriptor on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WireDescriptor {
    pub media_type: String,
    pub digest: String,
    pub size: i64,
}

/// An OCI platform on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WirePlatform {
    pub architecture: String,
    pub os: String,
    #[serde(skip_serializing_if = "is_default")]
    pub variant: String,
}
