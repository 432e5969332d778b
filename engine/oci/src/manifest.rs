//! Descriptors, image manifests and indexes.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::digest::{Digest, ImageId};
use crate::document::{DocumentError, parse_value, refuse_case_variants, typed};
use crate::media_type as mt;

/// The most layers of one image.
pub const MAX_LAYERS: usize = 512;
/// The most children of one index.
pub const MAX_CHILDREN: usize = 1000;
/// How many indexes may be nested on the way to an image.
pub const MAX_INDEX_DEPTH: usize = 4;

const WHAT: &str = "manifest";

/// Points to content: type, digest, size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// What the content is.
    #[serde(rename = "mediaType", default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes; at most `i64::MAX`.
    #[serde(deserialize_with = "size")]
    pub size: u64,
    /// Other places that have it. Never fetched from; see hostile row C19.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
    /// Free-form notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// For which platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor with neither annotations nor platform.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            urls: None,
            annotations: None,
            platform: None,
        }
    }

    /// Whether `bytes` are exactly what the descriptor points to.
    pub fn verifies(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.size && self.digest.verifies(bytes)
    }
}

fn size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(d)?;
    if size > i64::MAX as u64 {
        return Err(serde::de::Error::custom("size out of range"));
    }
    Ok(size)
}

/// An operating system and processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64` …
    #[serde(default)]
    pub architecture: String,
    /// `linux` …
    #[serde(default)]
    pub os: String,
    /// Windows' build.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// `v7`, `v8` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Architectures that stand for a platform by themselves.
const KNOWN: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "wasm",
];

impl Platform {
    /// What the emulator and hosted sessions run.
    pub fn linux_amd64() -> Platform {
        Platform {
            architecture: "amd64".into(),
            os: "linux".into(),
            os_version: None,
            variant: None,
        }
    }

    /// Parses `os[/architecture[/variant]]`, with containerd's aliases.
    pub fn parse(text: &str) -> Option<Platform> {
        let mut parts = text.split('/').map(str::to_ascii_lowercase);
        let first = parts.next().filter(|p| !p.is_empty())?;
        let (os, architecture) = match (first.as_str(), parts.next()) {
            ("linux" | "windows" | "darwin" | "freebsd", None) => (first, "amd64".into()),
            (_, None) if KNOWN.contains(&&*normal_architecture(&first)) => ("linux".into(), first),
            (_, None) => return None,
            (_, Some(architecture)) => (first, architecture),
        };
        let variant = parts.next();
        if parts.next().is_some() || architecture.is_empty() {
            return None;
        }
        Some(Platform {
            architecture: normal_architecture(&architecture),
            os,
            os_version: None,
            variant,
        })
    }

    /// Whether content for `self` runs where `wanted` runs. `amd64` without a variant is the
    /// baseline, so `amd64/v3` does not run there.
    pub fn runs_on(&self, wanted: &Platform) -> bool {
        fn variant(p: &Platform) -> Option<&str> {
            match (
                normal_architecture(&p.architecture).as_str(),
                p.variant.as_deref(),
            ) {
                ("amd64", Some("v1")) | ("arm64", Some("v8")) | (_, Some("")) => None,
                (_, v) => v,
            }
        }
        self.os.eq_ignore_ascii_case(&wanted.os)
            && normal_architecture(&self.architecture) == normal_architecture(&wanted.architecture)
            && variant(self) == variant(wanted)
    }
}

fn normal_architecture(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" => "amd64".into(),
        "aarch64" => "arm64".into(),
        "i386" => "386".into(),
        other => other.into(),
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(v) if !v.is_empty() => write!(f, "/{v}"),
            _ => Ok(()),
        }
    }
}

/// A manifest or an index, with the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
// Documents are read one at a time and never collected.
#[allow(clippy::large_enum_variant)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// A choice of images.
    Index(Index),
}

/// One image: its configuration and layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The bytes read.
    pub raw: Bytes,
    /// The manifest's own type.
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about (referrers).
    pub subject: Option<Descriptor>,
    /// What kind of artifact it is, if it is no image.
    pub artifact_type: Option<String>,
    /// Free-form notes.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A choice of images, usually one per platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The bytes read.
    pub raw: Bytes,
    /// The index's own type.
    pub media_type: String,
    /// The images.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about (referrers).
    pub subject: Option<Descriptor>,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// Free-form notes.
    pub annotations: Option<BTreeMap<String, String>>,
}

impl Document {
    /// Reads a manifest or index. `content_type` is what the source announced, if it announced a
    /// manifest type at all (static servers often do not).
    pub fn parse(raw: Bytes, content_type: Option<&str>) -> Result<Document, DocumentError> {
        let Value::Object(mut object) = parse_value(WHAT, &raw)? else {
            return Err(DocumentError::Shapeless);
        };
        refuse_case_variants(WHAT, &object, DOCUMENT_KEYS)?;
        let declared = content_type.map(mt::essence).filter(|t| {
            t.starts_with("application/vnd.") && t.contains("manifest")
                || mt::is_manifest_or_index(t)
        });
        let inner = match object.get("mediaType") {
            Some(Value::String(s)) => Some(s.clone()),
            Some(Value::Null) | None => None,
            Some(_) => return Err(json_error("mediaType must be a string")),
        };
        for media_type in declared.iter().chain(&inner) {
            if matches!(
                media_type.as_str(),
                mt::DOCKER_SCHEMA1 | mt::DOCKER_SCHEMA1_SIGNED
            ) {
                return Err(DocumentError::Schema1);
            }
        }
        if object.contains_key("fsLayers") {
            return Err(DocumentError::Schema1);
        }
        match object.get("schemaVersion") {
            Some(v) if v.as_u64() == Some(2) => {}
            _ => return Err(json_error("schemaVersion must be 2")),
        }
        let index = match (
            object.contains_key("manifests"),
            object.contains_key("layers") || object.contains_key("config"),
        ) {
            (true, true) => return Err(DocumentError::Ambiguous),
            (false, false) => return Err(DocumentError::Shapeless),
            (index, _) => index,
        };
        let media_type = agree(declared, inner, index)?;
        let subject = optional(&mut object, "subject")?
            .map(descriptor)
            .transpose()?;
        let artifact_type = optional(&mut object, "artifactType")?
            .map(|v| typed(WHAT, v))
            .transpose()?;
        let annotations = optional(&mut object, "annotations")?
            .map(|v| typed(WHAT, v))
            .transpose()?;
        if index {
            let manifests = descriptors(object.remove("manifests"), "manifests", MAX_CHILDREN)?;
            return Ok(Document::Index(Index {
                raw,
                media_type,
                manifests,
                subject,
                artifact_type,
                annotations,
            }));
        }
        let config = object.remove("config").ok_or(DocumentError::Shapeless)?;
        Ok(Document::Manifest(Manifest {
            config: descriptor(config)?,
            layers: descriptors(object.remove("layers"), "layers", MAX_LAYERS)?,
            raw,
            media_type,
            subject,
            artifact_type,
            annotations,
        }))
    }

    /// The document's bytes.
    pub fn raw(&self) -> &Bytes {
        match self {
            Document::Manifest(m) => &m.raw,
            Document::Index(i) => &i.raw,
        }
    }

    /// The document's own type.
    pub fn media_type(&self) -> &str {
        match self {
            Document::Manifest(m) => &m.media_type,
            Document::Index(i) => &i.media_type,
        }
    }

    /// The manifest that this one is about.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Document::Manifest(m) => m.subject.as_ref(),
            Document::Index(i) => i.subject.as_ref(),
        }
    }
}

const DOCUMENT_KEYS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "fsLayers",
    "subject",
    "artifactType",
    "annotations",
];
const DESCRIPTOR_KEYS: &[&str] = &[
    "mediaType",
    "digest",
    "size",
    "urls",
    "annotations",
    "platform",
    "data",
    "artifactType",
];
const PLATFORM_KEYS: &[&str] = &["architecture", "os", "os.version", "os.features", "variant"];

fn json_error(reason: &str) -> DocumentError {
    DocumentError::Json {
        what: WHAT,
        reason: reason.into(),
    }
}

/// The one media type that the header, the document and its shape agree on.
fn agree(
    declared: Option<String>,
    inner: Option<String>,
    index: bool,
) -> Result<String, DocumentError> {
    if let (Some(declared), Some(inner)) = (&declared, &inner)
        && declared != inner
    {
        return Err(DocumentError::MediaType {
            declared: declared.clone(),
            actual: inner.clone(),
        });
    }
    let fallback = if index {
        mt::OCI_INDEX
    } else {
        mt::OCI_MANIFEST
    };
    let media_type = inner.or(declared).unwrap_or_else(|| fallback.into());
    if !mt::is_manifest_or_index(&media_type) {
        return Err(DocumentError::Unsupported(media_type));
    }
    if mt::is_index(&media_type) != index {
        return Err(DocumentError::MediaType {
            declared: media_type,
            actual: fallback.into(),
        });
    }
    Ok(media_type)
}

fn optional(object: &mut Map<String, Value>, key: &str) -> Result<Option<Value>, DocumentError> {
    Ok(object.remove(key).filter(|v| !v.is_null()))
}

fn descriptors(
    list: Option<Value>,
    of: &'static str,
    limit: usize,
) -> Result<Vec<Descriptor>, DocumentError> {
    match list {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() > limit => Err(DocumentError::TooMany {
            what: WHAT,
            of,
            count: items.len(),
            limit,
        }),
        Some(Value::Array(items)) => items.into_iter().map(descriptor).collect(),
        Some(_) => Err(json_error("layers and manifests must be lists")),
    }
}

fn descriptor(value: Value) -> Result<Descriptor, DocumentError> {
    if let Some(object) = value.as_object() {
        refuse_case_variants(WHAT, object, DESCRIPTOR_KEYS)?;
        if let Some(platform) = object.get("platform").and_then(Value::as_object) {
            refuse_case_variants(WHAT, platform, PLATFORM_KEYS)?;
        }
    }
    typed(WHAT, value)
}

impl Index {
    /// The first image that runs on `wanted`. Children without a platform are taken only if there
    /// is nothing else to choose by; nested indexes are for the caller to follow.
    pub fn select(&self, wanted: &Platform) -> Option<&Descriptor> {
        let images = || {
            self.manifests
                .iter()
                .filter(|d| mt::is_manifest_or_index(&d.media_type) || d.media_type.is_empty())
        };
        images()
            .find(|d| d.platform.as_ref().is_some_and(|p| p.runs_on(wanted)))
            .or_else(|| images().find(|d| d.platform.is_none()))
    }
}

impl Manifest {
    /// The image ID that the manifest names.
    pub fn image_id(&self) -> ImageId {
        ImageId(self.config.digest.clone())
    }

    /// The bytes of a Docker schema 2 manifest, indented as Docker pushes it.
    pub fn docker_bytes(config: &Descriptor, layers: &[Descriptor]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Entry<'a> {
            #[serde(rename = "mediaType")]
            media_type: &'a str,
            size: u64,
            digest: &'a Digest,
        }
        #[derive(Serialize)]
        struct Written<'a> {
            #[serde(rename = "schemaVersion")]
            schema_version: u8,
            #[serde(rename = "mediaType")]
            media_type: &'a str,
            config: Entry<'a>,
            layers: Vec<Entry<'a>>,
        }
        fn entry(d: &Descriptor) -> Entry<'_> {
            Entry {
                media_type: &d.media_type,
                size: d.size,
                digest: &d.digest,
            }
        }
        let mut out = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"   ");
        let mut writer = serde_json::Serializer::with_formatter(&mut out, indent);
        let written = Written {
            schema_version: 2,
            media_type: mt::DOCKER_MANIFEST,
            config: entry(config),
            layers: layers.iter().map(entry).collect(),
        };
        // Writing strings and numbers into memory has no way to fail.
        let _ = written.serialize(&mut writer);
        out
    }

    /// The bytes of an OCI manifest.
    pub fn oci_bytes(
        config: &Descriptor,
        layers: &[Descriptor],
        annotations: Option<&BTreeMap<String, String>>,
    ) -> Vec<u8> {
        #[derive(Serialize)]
        struct Written<'a> {
            #[serde(rename = "schemaVersion")]
            schema_version: u8,
            #[serde(rename = "mediaType")]
            media_type: &'a str,
            config: &'a Descriptor,
            layers: &'a [Descriptor],
            #[serde(skip_serializing_if = "Option::is_none")]
            annotations: Option<&'a BTreeMap<String, String>>,
        }
        to_bytes(&Written {
            schema_version: 2,
            media_type: mt::OCI_MANIFEST,
            config,
            layers,
            annotations,
        })
    }
}

/// The bytes of an index with the given children.
pub fn index_bytes(media_type: &str, manifests: &[Descriptor]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(rename = "schemaVersion")]
        schema_version: u8,
        #[serde(rename = "mediaType")]
        media_type: &'a str,
        manifests: &'a [Descriptor],
    }
    to_bytes(&Written {
        schema_version: 2,
        media_type,
        manifests,
    })
}

/// JSON of a value whose keys are all strings, which has no way to fail.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
