//! Checks on images.

use serde_json::Value;

use super::world::{at, encode, text, texts};
use super::{FileCheck, Verdict, World, WorldError};
use crate::pattern::{Bound, Glob};

/// What must be true of an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageCheck {
    /// Its name; a star takes any image whose name fits.
    pub name: String,
    /// Names of the same image.
    pub also: Vec<String>,
    /// Names of other images: it must not be one of them.
    pub differs: Vec<String>,
    /// An image whose layers are its lowest.
    pub from: Option<String>,
    /// Bytes.
    pub size: Option<Bound>,
    /// Number of layers.
    pub layers: Option<Bound>,
    /// Pieces of its history, oldest first.
    pub history: Vec<Glob>,
    pub env: Vec<(String, Glob)>,
    /// Its command, words joined by spaces.
    pub cmd: Option<Glob>,
    pub entrypoint: Option<Glob>,
    pub workdir: Option<Glob>,
    pub user: Option<Glob>,
    pub exposes: Vec<String>,
    pub volumes: Vec<String>,
    pub labels: Vec<(String, Glob)>,
    pub files: Vec<(String, FileCheck)>,
}

/// The tag counts: what is named without one is `latest`.
fn with_tag(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.contains([':', '@', '*']) {
        true => name.to_owned(),
        false => format!("{name}:latest"),
    }
}

async fn all(world: &dyn World) -> Result<Vec<Value>, WorldError> {
    let list = world.get("/images/json").await?;
    Ok(list.and_then(|l| l.as_array().cloned()).unwrap_or_default())
}

fn names(image: &Value) -> Vec<String> {
    texts(image, "RepoTags")
}

/// The tags of the local images.
async fn all_names(world: &dyn World) -> Result<Vec<String>, WorldError> {
    Ok(all(world).await?.iter().flat_map(names).collect())
}

pub(super) async fn absent(name: &Glob, world: &dyn World) -> Verdict {
    let wanted = Glob::new(&with_tag(name.source()));
    let there = all_names(world).await?.into_iter().find(|n| wanted.is(n));
    Ok(there.map(|name| format!("The image `{name}` is still there.")))
}

/// An image's document by its name.
pub(super) async fn inspect(name: &str, world: &dyn World) -> Result<Option<Value>, WorldError> {
    world.get(&format!("/images/{}/json", encode(name))).await
}

fn joined(document: &Value, path: &str) -> String {
    texts(document, path).join(" ")
}

/// The value of a variable in a list of `NAME=value`.
pub(super) fn variable(env: &[String], name: &str) -> Option<String> {
    let pairs = env.iter().filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
        .next_back()
}

impl ImageCheck {
    pub(super) fn describe(&self) -> String {
        let mut parts = vec![format!("The image `{}` is there", self.name)];
        let mut add = |part: String| parts.push(part);
        if let Some(from) = &self.from {
            add(format!("is built from `{from}`"));
        }
        if !self.also.is_empty() {
            add(format!("is also called `{}`", self.also.join("`, `")));
        }
        if !self.differs.is_empty() {
            add(format!(
                "is another image than `{}`",
                self.differs.join("`, `")
            ));
        }
        if let Some(size) = &self.size {
            add(format!("has {size}"));
        }
        if let Some(layers) = &self.layers {
            add(format!("has {layers} layers"));
        }
        for (what, glob) in self.fields() {
            if let Some(glob) = glob {
                add(format!("has the {what} `{glob}`"));
            }
        }
        for (name, value) in &self.env {
            add(format!("sets `{name}` to `{value}`"));
        }
        for (name, value) in &self.labels {
            add(format!("has the label `{name}={value}`"));
        }
        for port in &self.exposes {
            add(format!("exposes port {port}"));
        }
        for path in &self.volumes {
            add(format!("declares the volume `{path}`"));
        }
        for piece in &self.history {
            add(format!("has a step `{piece}`"));
        }
        for (path, file) in &self.files {
            add(format!("in it {}", file.describe(path)));
        }
        parts.join(", ")
    }

    fn fields(&self) -> [(&'static str, &Option<Glob>); 4] {
        [
            ("command", &self.cmd),
            ("entry point", &self.entrypoint),
            ("working directory", &self.workdir),
            ("user", &self.user),
        ]
    }

    pub(super) async fn judge(&self, world: &dyn World) -> Verdict {
        let name = with_tag(&self.name);
        if !name.contains('*') {
            return match inspect(&name, world).await? {
                Some(image) => self.judge_image(&self.name, &image, world).await,
                None => Ok(Some(self.missing(&name, world).await?)),
            };
        }
        let glob = Glob::new(&name);
        let mut first = None;
        for found in all_names(world).await?.into_iter().filter(|n| glob.is(n)) {
            let Some(image) = inspect(&found, world).await? else {
                continue;
            };
            match self.judge_image(&found, &image, world).await? {
                None => return Ok(None),
                Some(why) => first = first.or(Some(why)),
            }
        }
        Ok(first.or_else(|| Some(format!("No image has a name like `{}`.", self.name))))
    }

    /// There is none of that name: perhaps one with another tag.
    async fn missing(&self, name: &str, world: &dyn World) -> Result<String, WorldError> {
        let repository = |n: &str| {
            n.rsplit_once(':')
                .map_or(n.to_owned(), |(r, _)| r.to_owned())
        };
        let names = all_names(world).await?;
        let near = names.iter().find(|n| repository(n) == repository(name));
        Ok(match near {
            Some(near) => {
                format!("No image is called `{name}` here. There is `{near}`: its tag differs.")
            }
            None => format!("No image is called `{}` here.", self.name),
        })
    }

    async fn judge_image(&self, name: &str, image: &Value, world: &dyn World) -> Verdict {
        let id = text(image, "Id");
        for other in &self.also {
            let other_id = inspect(other, world).await?;
            if other_id
                .as_ref()
                .is_none_or(|other| text(other, "Id") != id)
            {
                return Ok(Some(format!(
                    "`{other}` is not the same image as `{name}`."
                )));
            }
        }
        for other in &self.differs {
            let other_id = inspect(other, world).await?;
            if other_id
                .as_ref()
                .is_some_and(|other| text(other, "Id") == id)
            {
                return Ok(Some(format!("`{name}` is the same image as `{other}`.")));
            }
        }
        let layers = texts(image, "RootFS.Layers");
        if let Some(from) = &self.from {
            let base = inspect(from, world).await?;
            let base = base
                .map(|base| texts(&base, "RootFS.Layers"))
                .unwrap_or_default();
            if base.is_empty() || !layers.starts_with(&base) {
                return Ok(Some(format!(
                    "`{name}` does not stand on the layers of `{from}`."
                )));
            }
        }
        if let Some(why) = self.judge_numbers(name, image, layers.len()) {
            return Ok(Some(why));
        }
        if let Some(why) = self.judge_config(name, image) {
            return Ok(Some(why));
        }
        if let Some(why) = self.judge_history(name, world).await? {
            return Ok(Some(why));
        }
        for (path, check) in &self.files {
            let file = world.image_file(id, path).await?;
            if let Some(why) = check.judge(path, file.as_ref()) {
                let hint = self.changed_a_container(path, image, world).await?;
                return Ok(Some(format!("In the image `{name}`, {why}{hint}")));
            }
        }
        Ok(None)
    }

    fn judge_numbers(&self, name: &str, image: &Value, layers: usize) -> Option<String> {
        let size = at(image, "Size").as_i64().unwrap_or_default();
        if let Some(bound) = self.size.as_ref().filter(|bound| !bound.holds(size.into())) {
            let mb = size as f64 / 1e6;
            return Some(format!(
                "`{name}` has {mb:.1} MB, and it should be {bound}."
            ));
        }
        let bound = self
            .layers
            .as_ref()
            .filter(|bound| !bound.holds(layers as i128))?;
        Some(format!(
            "`{name}` has {layers} layers, and it should be {bound}."
        ))
    }

    fn judge_config(&self, name: &str, image: &Value) -> Option<String> {
        let is = [
            joined(image, "Config.Cmd"),
            joined(image, "Config.Entrypoint"),
            text(image, "Config.WorkingDir").to_owned(),
            text(image, "Config.User").to_owned(),
        ];
        for ((what, wanted), is) in self.fields().into_iter().zip(is) {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| !wanted.is(&is)) {
                return Some(match is.as_str() {
                    "" => format!("`{name}` has no {what}, and it should be `{wanted}`."),
                    is => format!("The {what} of `{name}` is `{is}`, and it should be `{wanted}`."),
                });
            }
        }
        let env = texts(image, "Config.Env");
        for (key, wanted) in &self.env {
            match variable(&env, key) {
                Some(value) if wanted.is(&value) => {}
                Some(value) => {
                    return Some(format!(
                        "`{name}` sets `{key}` to `{value}`, not `{wanted}`."
                    ));
                }
                None => return Some(format!("`{name}` does not set `{key}`.")),
            }
        }
        for (key, wanted) in &self.labels {
            let label = at(image, "Config.Labels")[key].as_str();
            if !label.is_some_and(|value| wanted.is(value)) {
                return Some(format!(
                    "`{name}` does not have the label `{key}={wanted}`."
                ));
            }
        }
        let has = |path: &str, key: &str| at(image, path).get(key).is_some();
        let port = |port: &str| match port.contains('/') {
            true => port.to_owned(),
            false => format!("{port}/tcp"),
        };
        if let Some(missing) = self
            .exposes
            .iter()
            .find(|p| !has("Config.ExposedPorts", &port(p)))
        {
            return Some(format!("`{name}` does not expose port {missing}."));
        }
        let missing = self
            .volumes
            .iter()
            .find(|path| !has("Config.Volumes", path))?;
        Some(format!("`{name}` does not declare the volume `{missing}`."))
    }

    async fn judge_history(&self, name: &str, world: &dyn World) -> Verdict {
        if self.history.is_empty() {
            return Ok(None);
        }
        let history = world
            .get(&format!("/images/{}/history", encode(name)))
            .await?;
        let history = history
            .and_then(|h| h.as_array().cloned())
            .unwrap_or_default();
        let mut steps = history.iter().rev().map(|step| text(step, "CreatedBy"));
        let missing = self
            .history
            .iter()
            .find(|piece| !steps.any(|step| piece.is_in(step)));
        Ok(missing.map(|piece| match self.history.len() {
            1 => format!("No step of `{name}` has `{piece}`."),
            _ => format!("No step of `{name}` has `{piece}` at that place."),
        }))
    }

    /// A hint when the file was changed in a container of the image instead.
    async fn changed_a_container(
        &self,
        path: &str,
        image: &Value,
        world: &dyn World,
    ) -> Result<String, WorldError> {
        let list = world.get("/containers/json?all=1").await?;
        let list = list.and_then(|l| l.as_array().cloned()).unwrap_or_default();
        for container in list.iter().take(50) {
            let (id, names) = (text(container, "Id"), texts(container, "Names"));
            if text(container, "ImageID") != text(image, "Id")
                && self.from.is_none()
                && list.len() > 8
            {
                continue;
            }
            let changes = world.get(&format!("/containers/{id}/changes")).await?;
            let changes = changes
                .and_then(|c| c.as_array().cloned())
                .unwrap_or_default();
            if changes.iter().any(|change| text(change, "Path") == path) {
                let name = names
                    .first()
                    .map_or(id, |name| name.trim_start_matches('/'));
                return Ok(format!(
                    " You changed the container `{name}`, not the image."
                ));
            }
        }
        Ok(String::new())
    }
}
