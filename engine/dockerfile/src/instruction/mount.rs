//! `RUN --mount`.

use crate::error::{Error, Result};
use crate::{goform, suggest};

/// The kinds of mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory kept between builds.
    Cache,
    /// Memory.
    Tmpfs,
    /// A secret, as a file or variable.
    Secret,
    /// An SSH agent's socket.
    Ssh,
}

const KINDS: [(&str, MountKind); 5] = [
    ("bind", MountKind::Bind),
    ("cache", MountKind::Cache),
    ("tmpfs", MountKind::Tmpfs),
    ("secret", MountKind::Secret),
    ("ssh", MountKind::Ssh),
];

impl MountKind {
    /// The name in Dockerfiles.
    pub fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(_, k)| *k == self)
            .map_or("bind", |(n, _)| n)
    }
}

/// How builds that run at once share a cache mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// All write to it.
    Shared,
    /// A second writer gets another one.
    Private,
    /// A second writer waits.
    Locked,
}

const SHARING: [(&str, Sharing); 3] = [
    ("shared", Sharing::Shared),
    ("private", Sharing::Private),
    ("locked", Sharing::Locked),
];

/// One `--mount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mount {
    /// Kind.
    pub kind: MountKind,
    /// Stage or image; empty for the context.
    pub from: String,
    /// Path in the source.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Read only.
    pub read_only: bool,
    /// `id`.
    pub id: String,
    /// `sharing`.
    pub sharing: Option<Sharing>,
    /// `required`.
    pub required: bool,
    /// `env`: the secret's variable.
    pub env: Option<String>,
    /// `size` of a tmpfs in bytes.
    pub size: i64,
    /// `mode`.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
}

const KEYS: [&str; 18] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
];

/// Expands one word.
pub(super) type Expander<'a> = &'a mut dyn FnMut(&str) -> Result<String>;

impl Mount {
    /// Reads a `--mount` value. Without an expander only `from` is read, which can't hold variables: the stages
    /// a build needs are known before any variable is.
    pub(super) fn parse(value: &str, mut expander: Option<Expander<'_>>) -> Result<Mount> {
        let mut mount = Mount::default();
        let mut auto_read_only = true;
        for field in csv_fields(value)? {
            let (key, raw) = match field.split_once('=') {
                Some((key, raw)) => (key.to_ascii_lowercase(), Some(raw)),
                None => (field.to_ascii_lowercase(), None),
            };
            let Some(raw) = raw else {
                if expander.is_some() {
                    mount.flag(&key, &field, &mut auto_read_only)?;
                }
                continue;
            };
            let value = match &mut expander {
                Some(expand) => expand(raw)?,
                None if key == "from" => {
                    if raw.find('$').is_some_and(|at| at + 1 != raw.len()) {
                        return Err(Error::new(format!(
                            "'{key}' doesn't support variable expansion, define alias stage instead"
                        )));
                    }
                    raw.to_owned()
                }
                None => continue,
            };
            mount.set(&key, &value, &field, &mut auto_read_only)?;
        }
        mount.check(auto_read_only)?;
        Ok(mount)
    }

    fn flag(&mut self, key: &str, field: &str, auto: &mut bool) -> Result<()> {
        match key {
            "readonly" | "ro" => {
                self.read_only = true;
                *auto = false;
            }
            "readwrite" | "rw" => {
                self.read_only = false;
                *auto = false;
            }
            "required" if matches!(self.kind, MountKind::Secret | MountKind::Ssh) => {
                self.required = true;
            }
            "required" => return Err(self.unexpected(key)),
            _ => {
                return Err(Error::new(format!(
                    "invalid field '{field}' must be a key=value pair"
                )));
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str, field: &str, auto: &mut bool) -> Result<()> {
        let boolean = || {
            goform::parse_bool(value)
                .ok_or_else(|| Error::new(format!("invalid value for {key}: {value}")))
        };
        let number = |radix| {
            u32::from_str_radix(value, radix)
                .ok()
                .filter(|_| !value.starts_with('+'))
                .ok_or_else(|| Error::new(format!("invalid value {value} for {key}")))
        };
        match key {
            "type" => {
                let lower = value.to_ascii_lowercase();
                self.kind = find(&KINDS, &lower)
                    .ok_or_else(|| unknown("unsupported mount type", value, &KINDS))?;
            }
            "from" => self.from = value.to_owned(),
            "source" | "src" => self.source = value.to_owned(),
            "target" | "dst" | "destination" => self.target = value.to_owned(),
            "readonly" | "ro" => {
                self.read_only = boolean()?;
                *auto = false;
            }
            "readwrite" | "rw" => {
                self.read_only = !boolean()?;
                *auto = false;
            }
            "required" if matches!(self.kind, MountKind::Secret | MountKind::Ssh) => {
                self.required = boolean()?;
            }
            "size" if self.kind == MountKind::Tmpfs => {
                self.size = goform::ram_in_bytes(value)
                    .ok_or_else(|| Error::new(format!("invalid value for {key}: {value}")))?;
            }
            "required" | "size" => return Err(self.unexpected(key)),
            "id" => self.id = value.to_owned(),
            "sharing" => {
                let lower = value.to_ascii_lowercase();
                let sharing = find(&SHARING, &lower)
                    .ok_or_else(|| unknown("unsupported sharing value", value, &SHARING))?;
                self.sharing = Some(sharing);
            }
            "mode" => self.mode = Some(number(8)?),
            "uid" => self.uid = Some(number(10)?),
            "gid" => self.gid = Some(number(10)?),
            "env" => self.env = Some(value.to_owned()),
            _ => {
                return Err(Error::new(suggest::suggest(
                    format!("unexpected key '{key}' in '{field}'"),
                    key,
                    KEYS,
                    true,
                )));
            }
        }
        Ok(())
    }

    fn unexpected(&self, key: &str) -> Error {
        let kind = self.kind.name();
        Error::new(format!("unexpected key '{key}' for mount type '{kind}'"))
    }

    fn check(&mut self, auto_read_only: bool) -> Result<()> {
        let kind = self.kind.name();
        if matches!(self.kind, MountKind::Bind | MountKind::Tmpfs) {
            let given = [
                ("mode", self.mode.is_some()),
                ("uid", self.uid.is_some()),
                ("gid", self.gid.is_some()),
            ];
            if let Some((what, _)) = given.iter().find(|(_, given)| *given) {
                return Err(Error::new(format!(
                    "{what} not allowed for {} type mounts",
                    goform::quote(kind)
                )));
            }
        }
        if auto_read_only {
            self.read_only = !matches!(self.kind, MountKind::Cache | MountKind::Tmpfs);
        }
        if self.kind == MountKind::Secret {
            let wrong = if !self.from.is_empty() {
                Some("secret mount should not have a from")
            } else if self.sharing.is_some() {
                Some("secret mount should not define sharing")
            } else if self.source.is_empty() && self.target.is_empty() && self.id.is_empty() {
                Some("invalid secret mount. one of source, target required")
            } else if !self.source.is_empty() && !self.id.is_empty() {
                Some("both source and id can't be set")
            } else {
                None
            };
            if let Some(message) = wrong {
                return Err(Error::new(message));
            }
        }
        if self.sharing.is_some() && self.kind != MountKind::Cache {
            return Err(Error::new(format!(
                "invalid cache sharing set for {kind} mount"
            )));
        }
        Ok(())
    }
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
}

fn unknown<T>(what: &str, value: &str, table: &[(&str, T)]) -> Error {
    Error::new(suggest::suggest(
        format!("{what} {}", goform::quote(value)),
        value,
        table.iter().map(|(n, _)| *n),
        true,
    ))
}

/// The fields of one CSV record; a field may be quoted with `"`, `""` standing for a quote.
pub(super) fn csv_fields(value: &str) -> Result<Vec<String>> {
    let bad = |what: &str| {
        Error::new(format!(
            "failed to parse csv mounts: parse error on line 1, column 1: {what}"
        ))
    };
    let mut fields = Vec::new();
    let mut rest = value;
    if rest.is_empty() {
        return Err(Error::new("failed to parse csv mounts: EOF"));
    }
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut after = quoted;
            loop {
                let at = after
                    .find('"')
                    .ok_or_else(|| bad("extraneous or missing \" in quoted-field"))?;
                field.push_str(&after[..at]);
                after = &after[at + 1..];
                match after.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        after = more;
                    }
                    None => break,
                }
            }
            fields.push(field);
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(fields),
                None => return Err(bad("extraneous or missing \" in quoted-field")),
            }
        } else {
            let end = rest.find(',');
            let field = &rest[..end.unwrap_or(rest.len())];
            if field.contains('"') {
                return Err(bad("bare \" in non-quoted-field"));
            }
            fields.push(field.to_owned());
            match end {
                Some(end) => rest = &rest[end + 1..],
                None => return Ok(fields),
            }
        }
    }
}
