//! Checks on containers.

use serde_json::Value;

use super::image::{self, variable};
use super::world::{at, encode, text, texts};
use super::{FileCheck, Verdict, World, WorldError, out_of};
use crate::pattern::{Bound, Glob};

/// Containers looked at by one check.
const MAX: usize = 200;

/// What must be true of a container: of at least one, or of as many as `count` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerCheck {
    pub name: Option<Glob>,
    /// The image it was made from: as it was named, or by another name of the same image.
    pub image: Option<Glob>,
    pub count: Option<Bound>,
    /// `created`, `running`, `paused`, `exited`.
    pub state: Option<String>,
    pub exit_code: Option<Bound>,
    /// `healthy`, `unhealthy`, `starting`.
    pub health: Option<String>,
    /// Its command with arguments, words joined by spaces.
    pub command: Option<Glob>,
    pub env: Vec<(String, Glob)>,
    pub labels: Vec<(String, Glob)>,
    /// Port of the host and port of the container.
    pub ports: Vec<(String, String)>,
    pub mounts: Vec<MountCheck>,
    /// Networks that it is on, and is not on.
    pub networks: Vec<String>,
    pub not_networks: Vec<String>,
    pub aliases: Vec<String>,
    pub files: Vec<(String, FileCheck)>,
    /// `A /path`, `C /path`, `D /path`, as `docker diff` tells.
    pub changed: Vec<Glob>,
    pub logs: Vec<Glob>,
    pub restart: Option<Glob>,
    /// Bytes.
    pub memory: Option<Bound>,
    /// Thousandths of a processor.
    pub cpus: Option<Bound>,
    pub pids: Option<Bound>,
    pub hostname: Option<Glob>,
    pub user: Option<Glob>,
    pub workdir: Option<Glob>,
    pub flags: Vec<(&'static str, bool)>,
    /// Times that the daemon restarted it.
    pub restarts: Option<Bound>,
}

/// What must be true of one of its mounts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MountCheck {
    /// Where in the container.
    pub at: String,
    /// The volume's name.
    pub volume: Option<Glob>,
    /// The host's path.
    pub bind: Option<Glob>,
    pub tmpfs: bool,
    pub read_only: Option<bool>,
}

/// Names of settings that are on or off, and where the API tells them.
pub(super) const FLAGS: [(&str, &str); 6] = [
    ("tty", "Config.Tty"),
    ("interactive", "Config.OpenStdin"),
    ("auto-remove", "HostConfig.AutoRemove"),
    ("read-only", "HostConfig.ReadonlyRootfs"),
    ("init", "HostConfig.Init"),
    ("privileged", "HostConfig.Privileged"),
];

fn name_of(container: &Value) -> &str {
    text(container, "Name").trim_start_matches('/')
}

impl ContainerCheck {
    pub(super) fn describe(&self) -> String {
        let mut parts = Vec::new();
        let who = match (&self.name, &self.count) {
            (Some(name), _) if name.is_plain() => format!("The container `{name}`"),
            (_, Some(count)) => format!("Containers ({count})"),
            _ => "A container".to_owned(),
        };
        let mut add = |part: String| parts.push(part);
        if let Some(state) = &self.state {
            add(format!("is {state}"));
        }
        if let Some(image) = &self.image {
            add(format!("is made from `{image}`"));
        }
        if let Some(code) = &self.exit_code {
            add(format!("ended with exit code {code}"));
        }
        if let Some(health) = &self.health {
            add(format!("is {health}"));
        }
        for (host, inside) in &self.ports {
            add(format!("has its port {inside} published as {host}"));
        }
        for mount in &self.mounts {
            add(mount.describe());
        }
        for network in &self.networks {
            add(format!("is on the network `{network}`"));
        }
        for network in &self.not_networks {
            add(format!("is not on the network `{network}`"));
        }
        for alias in &self.aliases {
            add(format!("also answers to the name `{alias}`"));
        }
        for (name, value) in &self.env {
            add(format!("has `{name}={value}` in its environment"));
        }
        for (name, value) in &self.labels {
            add(format!("has the label `{name}={value}`"));
        }
        for (path, file) in &self.files {
            add(format!("in it {}", file.describe(path)));
        }
        for change in &self.changed {
            add(format!("has the change `{change}`"));
        }
        for piece in &self.logs {
            add(format!("wrote `{piece}`"));
        }
        for (what, glob) in self.fields() {
            if let Some(glob) = glob {
                add(format!("has the {what} `{glob}`"));
            }
        }
        for (what, bound) in [
            ("memory", &self.memory),
            ("cpus/1000", &self.cpus),
            ("pids", &self.pids),
        ] {
            if let Some(bound) = bound {
                add(format!("has a limit of {bound} {what}"));
            }
        }
        if let Some(bound) = &self.restarts {
            add(format!("was restarted {bound} times"));
        }
        for (name, on) in &self.flags {
            add(format!("is {}{name}", if *on { "" } else { "not " }));
        }
        match parts.is_empty() {
            true => format!("{who} is there"),
            false => format!("{who} {}", parts.join(", ")),
        }
    }

    fn fields(&self) -> [(&'static str, &Option<Glob>); 5] {
        [
            ("command", &self.command),
            ("restart policy", &self.restart),
            ("host name", &self.hostname),
            ("user", &self.user),
            ("working directory", &self.workdir),
        ]
    }

    /// The containers that the check's name and image mean.
    async fn candidates(&self, world: &dyn World) -> Result<Vec<Value>, WorldError> {
        if let Some(name) = self.name.as_ref().filter(|name| name.is_plain()) {
            let found = world
                .get(&format!("/containers/{}/json", encode(name.source())))
                .await?;
            return Ok(found
                .into_iter()
                .filter(|found| name.is(name_of(found)))
                .collect());
        }
        let list = world.get("/containers/json?all=1").await?;
        let list = list.and_then(|l| l.as_array().cloned()).unwrap_or_default();
        let mut all = Vec::new();
        for container in list.iter().take(MAX) {
            let found = world
                .get(&format!("/containers/{}/json", text(container, "Id")))
                .await?;
            all.extend(found);
        }
        if let Some(name) = &self.name {
            all.retain(|container| name.is(name_of(container)));
        }
        Ok(all)
    }

    pub(super) async fn judge(&self, world: &dyn World) -> Verdict {
        let mut good = 0;
        let mut first = None;
        let candidates = self.candidates(world).await?;
        for container in &candidates {
            match self.judge_one(container, world).await? {
                None => good += 1,
                Some(why) => first = first.or(Some(why)),
            }
        }
        match &self.count {
            Some(bound) if bound.holds(good as i128) => Ok(None),
            Some(bound) => Ok(match first.filter(|_| good == 0) {
                Some(why) => Some(why),
                None => out_of(bound, good, "such container"),
            }),
            None if good > 0 => Ok(None),
            None => Ok(Some(match (first, &self.name) {
                (Some(why), _) => why,
                (None, Some(name)) => self.missing(name, world).await?,
                (None, None) => "There is no container here.".to_owned(),
            })),
        }
    }

    /// No container is like this.
    pub(super) async fn judge_absent(&self, world: &dyn World) -> Verdict {
        for container in self.candidates(world).await? {
            if self.judge_one(&container, world).await?.is_none() {
                let (name, state) = (name_of(&container), text(&container, "State.Status"));
                return Ok(Some(format!(
                    "There is still the container `{name}`; it is {state}."
                )));
            }
        }
        Ok(None)
    }

    /// No container has the name: perhaps one of the image has another.
    async fn missing(&self, name: &Glob, world: &dyn World) -> Result<String, WorldError> {
        if let Some(image) = &self.image {
            let other = ContainerCheck {
                image: Some(image.clone()),
                ..ContainerCheck::default()
            };
            for container in other.candidates(world).await? {
                if other.judge_image(&container, world).await?.is_none() {
                    let is = name_of(&container);
                    return Ok(format!(
                        "No container is called `{name}`. There is one of `{image}` called `{is}`."
                    ));
                }
            }
        }
        Ok(format!("No container is called `{name}` here."))
    }

    async fn judge_image(&self, container: &Value, world: &dyn World) -> Verdict {
        let Some(wanted) = &self.image else {
            return Ok(None);
        };
        let (is, id) = (text(container, "Config.Image"), text(container, "Image"));
        let same = wanted.is(is) || wanted.is(is.strip_suffix(":latest").unwrap_or(is));
        if same {
            return Ok(None);
        }
        if wanted.is_plain() {
            let image = image::inspect(wanted.source(), world).await?;
            if image.is_some_and(|image| text(&image, "Id") == id) {
                return Ok(None);
            }
        }
        Ok(Some(format!(
            "`{}` is made from `{is}`, not from `{wanted}`.",
            name_of(container)
        )))
    }

    async fn judge_one(&self, container: &Value, world: &dyn World) -> Verdict {
        if let Some(why) = self.judge_image(container, world).await? {
            return Ok(Some(why));
        }
        let why = self
            .judge_state(container)
            .or_else(|| self.judge_config(container));
        if let Some(why) = why.or_else(|| self.judge_networks(container)) {
            return Ok(Some(why));
        }
        let mounts = at(container, "Mounts")
            .as_array()
            .cloned()
            .unwrap_or_default();
        for mount in &self.mounts {
            if let Some(why) = mount.judge(name_of(container), &mounts) {
                return Ok(Some(why));
            }
        }
        self.judge_files(container, world).await
    }

    fn judge_state(&self, container: &Value) -> Option<String> {
        let (name, is) = (name_of(container), text(container, "State.Status"));
        let code = at(container, "State.ExitCode").as_i64().unwrap_or_default();
        if let Some(wanted) = self.state.as_ref().filter(|wanted| *wanted != is) {
            return Some(match (wanted.as_str(), is) {
                ("running", "exited") => format!(
                    "`{name}` is exited (exit code {code}): its first process ended, so the container ended."
                ),
                ("running", "created") => format!("`{name}` is created, but not started."),
                _ => format!("`{name}` is {is}, and it should be {wanted}."),
            });
        }
        if let Some(bound) = self
            .exit_code
            .as_ref()
            .filter(|bound| is != "exited" || !bound.holds(code.into()))
        {
            return Some(match is {
                "exited" => {
                    format!("`{name}` ended with exit code {code}, and it should be {bound}.")
                }
                _ => format!("`{name}` is {is}: it has no exit code yet."),
            });
        }
        let health = text(container, "State.Health.Status");
        let wanted = self.health.as_ref().filter(|wanted| *wanted != health)?;
        Some(match health {
            "" => format!("`{name}` has no health check."),
            health => format!("`{name}` is {health}, and it should be {wanted}."),
        })
    }

    fn judge_config(&self, container: &Value) -> Option<String> {
        let name = name_of(container);
        let command =
            std::iter::once(text(container, "Path").to_owned()).chain(texts(container, "Args"));
        let command: Vec<String> = command.filter(|word| !word.is_empty()).collect();
        let policy = text(container, "HostConfig.RestartPolicy.Name");
        let is = [
            command.join(" "),
            if policy.is_empty() {
                "no".to_owned()
            } else {
                policy.to_owned()
            },
            text(container, "Config.Hostname").to_owned(),
            text(container, "Config.User").to_owned(),
            text(container, "Config.WorkingDir").to_owned(),
        ];
        for ((what, wanted), is) in self.fields().into_iter().zip(is) {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| !wanted.is(&is)) {
                return Some(match is.as_str() {
                    "" => format!("`{name}` has no {what}, and it should be `{wanted}`."),
                    is => format!("The {what} of `{name}` is `{is}`, and it should be `{wanted}`."),
                });
            }
        }
        let env = texts(container, "Config.Env");
        for (key, wanted) in &self.env {
            match variable(&env, key) {
                Some(value) if wanted.is(&value) => {}
                Some(value) => {
                    return Some(format!(
                        "In `{name}`, `{key}` is `{value}`, not `{wanted}`."
                    ));
                }
                None => return Some(format!("`{name}` has no `{key}` in its environment.")),
            }
        }
        for (key, wanted) in &self.labels {
            let label = at(container, "Config.Labels")[key].as_str();
            if !label.is_some_and(|value| wanted.is(value)) {
                return Some(format!(
                    "`{name}` does not have the label `{key}={wanted}`."
                ));
            }
        }
        let number = |path: &str| at(container, path).as_i64().unwrap_or_default();
        let bounds = [
            ("memory limit", &self.memory, number("HostConfig.Memory")),
            (
                "limit of thousandths of a processor",
                &self.cpus,
                number("HostConfig.NanoCpus") / 1_000_000,
            ),
            (
                "limit of processes",
                &self.pids,
                number("HostConfig.PidsLimit"),
            ),
            ("number of restarts", &self.restarts, number("RestartCount")),
        ];
        for (what, bound, is) in bounds {
            if let Some(bound) = bound.as_ref().filter(|bound| !bound.holds(is.into())) {
                return Some(format!(
                    "The {what} of `{name}` is {is}, and it should be {bound}."
                ));
            }
        }
        for (flag, wanted) in &self.flags {
            let path = FLAGS
                .iter()
                .find(|(name, _)| name == flag)
                .map_or("", |(_, path)| path);
            let is = at(container, path).as_bool().unwrap_or_default();
            if is != *wanted {
                return Some(format!(
                    "`{name}` is {}{flag}.",
                    if is { "" } else { "not " }
                ));
            }
        }
        None
    }

    fn judge_networks(&self, container: &Value) -> Option<String> {
        let name = name_of(container);
        // What is published is told by the configuration: a stopped container has it, too.
        let bindings = at(container, "HostConfig.PortBindings");
        for (host, inside) in &self.ports {
            let key = match inside.contains('/') {
                true => inside.clone(),
                false => format!("{inside}/tcp"),
            };
            let bound = bindings[&key].as_array().cloned().unwrap_or_default();
            let any = host == "*" && at(container, "NetworkSettings.Ports")[&key].is_array();
            if !any
                && !bound
                    .iter()
                    .any(|binding| text(binding, "HostPort") == host)
            {
                return Some(
                    match bindings.as_object().and_then(|all| all.iter().next()) {
                        Some((port, to)) => {
                            let port = port.trim_end_matches("/tcp");
                            let to = text(&to[0], "HostPort");
                            format!(
                                "`{name}` publishes its port {port} as {to}, and it should be {inside} as {host}."
                            )
                        }
                        None => format!(
                            "`{name}` publishes no port. That is settled when a container is made."
                        ),
                    },
                );
            }
        }
        let networks = at(container, "NetworkSettings.Networks");
        let names: Vec<&str> = networks
            .as_object()
            .map(|n| n.keys().map(String::as_str).collect())
            .unwrap_or_default();
        if let Some(missing) = self
            .networks
            .iter()
            .find(|wanted| !names.contains(&wanted.as_str()))
        {
            let on = match names.is_empty() {
                true => "on none".to_owned(),
                false => format!("on `{}`", names.join("`, `")),
            };
            return Some(format!(
                "`{name}` is not on the network `{missing}`; it is {on}."
            ));
        }
        if let Some(surplus) = self
            .not_networks
            .iter()
            .find(|other| names.contains(&other.as_str()))
        {
            return Some(format!("`{name}` is on the network `{surplus}`."));
        }
        let endpoints = networks
            .as_object()
            .map(|n| n.values().collect::<Vec<_>>())
            .unwrap_or_default();
        let aliases: Vec<String> = endpoints.iter().flat_map(|e| texts(e, "Aliases")).collect();
        let missing = self.aliases.iter().find(|alias| !aliases.contains(alias))?;
        Some(format!(
            "`{name}` has no alias `{missing}` on its networks."
        ))
    }

    async fn judge_files(&self, container: &Value, world: &dyn World) -> Verdict {
        let (name, id) = (name_of(container), text(container, "Id"));
        for (path, check) in &self.files {
            let file = world.container_file(id, path).await?;
            if let Some(why) = check.judge(path, file.as_ref()) {
                return Ok(Some(format!("In the container `{name}`, {why}")));
            }
        }
        if !self.changed.is_empty() {
            let changes = world.get(&format!("/containers/{id}/changes")).await?;
            let changes = changes
                .and_then(|c| c.as_array().cloned())
                .unwrap_or_default();
            let line = |change: &Value| {
                let kind = match change["Kind"].as_i64() {
                    Some(1) => "A",
                    Some(2) => "D",
                    _ => "C",
                };
                format!("{kind} {}", text(change, "Path"))
            };
            let lines: Vec<String> = changes.iter().map(line).collect();
            if let Some(missing) = self
                .changed
                .iter()
                .find(|glob| !lines.iter().any(|line| glob.is(line)))
            {
                return Ok(Some(format!(
                    "`docker diff {name}` does not show `{missing}`."
                )));
            }
        }
        if !self.logs.is_empty() {
            let logs = world.logs(id).await?;
            if let Some(missing) = self.logs.iter().find(|piece| !piece.is_in(&logs)) {
                return Ok(Some(format!(
                    "The logs of `{name}` do not have `{missing}`."
                )));
            }
        }
        Ok(None)
    }
}

impl MountCheck {
    fn describe(&self) -> String {
        let what = match (&self.volume, &self.bind) {
            (Some(volume), _) => format!("the volume `{volume}`"),
            (_, Some(path)) => format!("the host's `{path}`"),
            _ if self.tmpfs => "a tmpfs".to_owned(),
            _ => "something".to_owned(),
        };
        let how = match self.read_only {
            Some(true) => ", read-only",
            Some(false) => ", writable",
            None => "",
        };
        format!("has {what} mounted at `{}`{how}", self.at)
    }

    fn judge(&self, name: &str, mounts: &[Value]) -> Option<String> {
        let Some(mount) = mounts
            .iter()
            .find(|mount| text(mount, "Destination") == self.at)
        else {
            return Some(format!("`{name}` has nothing mounted at `{}`.", self.at));
        };
        let kind = text(mount, "Type");
        let is = match kind {
            "volume" => format!("the volume `{}`", text(mount, "Name")),
            "bind" => format!("the host's `{}`", text(mount, "Source")),
            kind => format!("a {kind}"),
        };
        let fits = match (&self.volume, &self.bind) {
            (Some(volume), _) => kind == "volume" && volume.is(text(mount, "Name")),
            (_, Some(path)) => kind == "bind" && path.is(text(mount, "Source")),
            _ => !self.tmpfs || kind == "tmpfs",
        };
        if !fits {
            return Some(format!("At `{}` of `{name}` is {is}.", self.at));
        }
        let writable = mount["RW"].as_bool().unwrap_or(true);
        match self.read_only {
            Some(true) if writable => Some(format!(
                "The mount at `{}` of `{name}` is writable.",
                self.at
            )),
            Some(false) if !writable => Some(format!(
                "The mount at `{}` of `{name}` is read-only.",
                self.at
            )),
            _ => None,
        }
    }
}
