//! Checks on networks, volumes, commands, answers and lines.

use serde_json::Value;

use super::world::{at, encode, text};
use super::{Entry, FileCheck, Verdict, World, short};
use crate::pattern::{Bound, Glob};

/// What must be true of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkCheck {
    pub name: String,
    pub driver: Option<Glob>,
    pub internal: Option<bool>,
    pub subnet: Option<Glob>,
    pub gateway: Option<Glob>,
    pub labels: Vec<(String, Glob)>,
    /// Names of running containers on it.
    pub containers: Vec<String>,
}

/// What must be true of a volume.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeCheck {
    pub name: String,
    pub labels: Vec<(String, Glob)>,
    /// Files by their path below the volume's top, `/data.txt`.
    pub files: Vec<(String, FileCheck)>,
}

/// A command that was entered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CommandCheck {
    /// One of these fits; both sides in the short form that [`canonical`] makes.
    pub like: Vec<Glob>,
    /// What its exit code must be; anything when not given.
    pub exit: Option<Bound>,
    pub count: Option<Bound>,
}

/// What a published port answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpCheck {
    pub port: u16,
    pub path: String,
    pub status: Option<Bound>,
    pub contains: Vec<Glob>,
    /// Nothing must answer.
    pub silent: bool,
}

/// What a line in the host's shell does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunCheck {
    pub line: String,
    pub exit: i64,
    pub stdout: Vec<Glob>,
}

/// Nouns whose verbs have an older spelling.
const OLD: [(&str, &str, &str); 16] = [
    ("container", "ls", "ps"),
    ("container", "list", "ps"),
    ("container", "ps", "ps"),
    ("image", "ls", "images"),
    ("image", "list", "images"),
    ("image", "rm", "rmi"),
    ("image", "remove", "rmi"),
    ("image", "build", "build"),
    ("image", "history", "history"),
    ("image", "import", "import"),
    ("image", "load", "load"),
    ("image", "pull", "pull"),
    ("image", "push", "push"),
    ("image", "save", "save"),
    ("image", "tag", "tag"),
    ("builder", "build", "build"),
];

/// A command in its short form: `docker container ls -a` is `docker ps -a`, options that stand for the client go.
pub fn canonical(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let short = match words.as_slice() {
        ["docker", noun, verb, ..] => {
            let old = OLD
                .iter()
                .find(|(n, v, _)| n == noun && v == verb)
                .map(|(.., old)| *old);
            // Every other verb of a container is the same without the noun.
            let same =
                (*noun == "container" && *verb != "prune" && *verb != "inspect").then_some(*verb);
            old.or(same)
        }
        _ => None,
    };
    match short {
        Some(verb) => {
            let rest = words.get(3..).unwrap_or_default();
            [&["docker", verb], rest].concat().join(" ")
        }
        None => words.join(" "),
    }
}

fn list(names: &[String]) -> String {
    format!("`{}`", names.join("`, `"))
}

impl NetworkCheck {
    pub(super) fn describe(&self) -> String {
        let mut text = format!("The network `{}` is there", self.name);
        for (what, glob) in [
            ("driver", &self.driver),
            ("subnet", &self.subnet),
            ("gateway", &self.gateway),
        ] {
            if let Some(glob) = glob {
                text += &format!(", with the {what} `{glob}`");
            }
        }
        match self.internal {
            Some(true) => text += ", internal",
            Some(false) => text += ", not internal",
            None => {}
        }
        for (name, value) in &self.labels {
            text += &format!(", with the label `{name}={value}`");
        }
        if !self.containers.is_empty() {
            text += &format!(", with {} on it", list(&self.containers));
        }
        text
    }

    pub(super) async fn judge(&self, world: &dyn World) -> Verdict {
        let name = &self.name;
        let Some(network) = world.get(&format!("/networks/{}", encode(name))).await? else {
            return Ok(Some(format!("No network is called `{name}` here.")));
        };
        let ipam = &network["IPAM"]["Config"][0];
        let fields = [
            ("driver", &self.driver, text(&network, "Driver")),
            ("subnet", &self.subnet, text(ipam, "Subnet")),
            ("gateway", &self.gateway, text(ipam, "Gateway")),
        ];
        for (what, wanted, is) in fields {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| !wanted.is(is)) {
                return Ok(Some(format!(
                    "The {what} of the network `{name}` is `{is}`, not `{wanted}`."
                )));
            }
        }
        let internal = network["Internal"].as_bool().unwrap_or_default();
        if self.internal.is_some_and(|wanted| wanted != internal) {
            let not = if internal { "" } else { "not " };
            return Ok(Some(format!("The network `{name}` is {not}internal.")));
        }
        if let Some(why) = missing_label("network", name, &self.labels, &network) {
            return Ok(Some(why));
        }
        let on: Vec<&str> = network["Containers"]
            .as_object()
            .map(|all| all.values().map(|c| text(c, "Name")).collect())
            .unwrap_or_default();
        let missing = self
            .containers
            .iter()
            .find(|wanted| !on.contains(&wanted.as_str()));
        Ok(missing.map(|missing| match on.as_slice() {
            [] => format!("No running container is on the network `{name}`."),
            on => format!(
                "`{missing}` is not on the network `{name}`; on it: `{}`.",
                on.join("`, `")
            ),
        }))
    }
}

fn missing_label(
    what: &str,
    name: &str,
    labels: &[(String, Glob)],
    document: &Value,
) -> Option<String> {
    let has = |key: &String, wanted: &Glob| {
        at(document, "Labels")
            .get(key)
            .and_then(Value::as_str)
            .is_some_and(|value| wanted.is(value))
    };
    let (key, wanted) = labels.iter().find(|(key, wanted)| !has(key, wanted))?;
    Some(format!(
        "The {what} `{name}` does not have the label `{key}={wanted}`."
    ))
}

pub(super) async fn no_network(name: &Glob, world: &dyn World) -> Verdict {
    let all = world.get("/networks").await?.unwrap_or_default();
    let names: Vec<String> = all
        .as_array()
        .into_iter()
        .flatten()
        .map(|n| text(n, "Name").to_owned())
        .collect();
    let there = names.into_iter().find(|n| name.is(n));
    Ok(there.map(|name| format!("The network `{name}` is still there.")))
}

async fn volume_names(world: &dyn World) -> Result<Vec<String>, super::WorldError> {
    let all = world.get("/volumes").await?.unwrap_or_default();
    let list = all["Volumes"].as_array().cloned().unwrap_or_default();
    Ok(list
        .iter()
        .map(|volume| text(volume, "Name").to_owned())
        .collect())
}

pub(super) async fn no_volume(name: &Glob, world: &dyn World) -> Verdict {
    let there = volume_names(world).await?.into_iter().find(|n| name.is(n));
    Ok(there.map(|name| format!("The volume `{name}` is still there.")))
}

impl VolumeCheck {
    pub(super) fn describe(&self) -> String {
        let mut text = format!("The volume `{}` is there", self.name);
        for (name, value) in &self.labels {
            text += &format!(", with the label `{name}={value}`");
        }
        for (path, file) in &self.files {
            text += &format!(", in it {}", file.describe(path));
        }
        text
    }

    pub(super) async fn judge(&self, world: &dyn World) -> Verdict {
        let name = &self.name;
        let Some(volume) = world.get(&format!("/volumes/{}", encode(name))).await? else {
            let names = volume_names(world).await?;
            return Ok(Some(match names.iter().find(|name| name.len() == 64) {
                Some(_) => format!(
                    "No volume is called `{name}`. There is one without a name: `-v NAME:/path` names it."
                ),
                None => format!("No volume is called `{name}` here."),
            }));
        };
        if let Some(why) = missing_label("volume", name, &self.labels, &volume) {
            return Ok(Some(why));
        }
        for (path, check) in &self.files {
            let file = world.volume_file(name, path).await?;
            if let Some(why) = check.judge(path, file.as_ref()) {
                return Ok(Some(format!("In the volume `{name}`, {why}")));
            }
        }
        Ok(None)
    }
}

impl CommandCheck {
    pub(super) fn describe(&self) -> String {
        let globs: Vec<String> = self.like.iter().map(|glob| format!("`{glob}`")).collect();
        let mut text = format!("You entered {}", globs.join(" or "));
        if let Some(exit) = &self.exit {
            text += &format!(", with exit code {exit}");
        }
        if let Some(count) = &self.count {
            text += &format!(", {count} times");
        }
        text
    }

    pub(super) fn judge(&self, entries: &[Entry]) -> Option<String> {
        let like = |entry: &&Entry| {
            let line = canonical(&entry.line);
            self.like
                .iter()
                .any(|glob| glob.is(&line) || glob.is(&entry.line))
        };
        let exits = |entry: &&Entry| match &self.exit {
            Some(bound) => entry.exit.is_some_and(|code| bound.holds(code.into())),
            None => true,
        };
        let entered: Vec<&Entry> = entries.iter().filter(like).collect();
        let good = entered.iter().copied().filter(exits).count();
        match &self.count {
            Some(bound) if bound.holds(good as i128) => return None,
            Some(bound) => {
                return Some(format!(
                    "You entered it {good} times, and it should be {bound}."
                ));
            }
            None if good > 0 => return None,
            None => {}
        }
        Some(match entered.last() {
            Some(Entry {
                exit: Some(code), ..
            }) => format!("That command ended with exit code {code}."),
            Some(_) => "That command has not ended.".to_owned(),
            None => match self.like.first() {
                Some(glob) => format!("No command was like `{glob}`."),
                None => "No command was entered.".to_owned(),
            },
        })
    }
}

impl HttpCheck {
    fn url(&self) -> String {
        format!("http://localhost:{}{}", self.port, self.path)
    }

    pub(super) fn describe(&self) -> String {
        let url = self.url();
        if self.silent {
            return format!("Nothing answers at `{url}`");
        }
        let mut text = format!("`{url}` answers");
        if let Some(status) = &self.status {
            text += &format!(" with status {status}");
        }
        for piece in &self.contains {
            text += &format!(", with `{piece}`");
        }
        text
    }

    pub(super) async fn judge(&self, world: &dyn World) -> Verdict {
        let url = self.url();
        // The address was checked to have no character that means something to a shell.
        let output = world.run(&format!("wget -S -O - '{url}'")).await?;
        let status = output
            .stderr
            .lines()
            .filter_map(|line| line.trim().strip_prefix("HTTP/1."))
            .filter_map(|rest| rest.split(' ').nth(1)?.parse::<i128>().ok())
            .next_back();
        let Some(status) = status else {
            return Ok((!self.silent).then(|| format!("Nothing answers at `{url}`.")));
        };
        if self.silent {
            return Ok(Some(format!("Something still answers at `{url}`.")));
        }
        let good = match &self.status {
            Some(bound) => bound.holds(status),
            None => (200..400).contains(&status),
        };
        if !good {
            return Ok(Some(format!("`{url}` answers with status {status}.")));
        }
        let missing = self
            .contains
            .iter()
            .find(|piece| !piece.is_in(&output.stdout));
        Ok(missing.map(|piece| {
            format!(
                "`{url}` answers `{}`, without `{piece}`.",
                short(output.stdout.trim())
            )
        }))
    }
}

impl RunCheck {
    pub(super) fn describe(&self) -> String {
        let mut text = format!("`{}` ends with exit code {}", short(&self.line), self.exit);
        for piece in &self.stdout {
            text += &format!(" and prints `{piece}`");
        }
        text
    }

    pub(super) async fn judge(&self, world: &dyn World) -> Verdict {
        let output = world.run(&self.line).await?;
        if i64::from(output.code) != self.exit {
            let code = output.code;
            let says = output.stderr.trim().lines().next_back().unwrap_or_default();
            let line = short(&self.line);
            return Ok(Some(match says {
                "" => format!("`{line}` ends with exit code {code}."),
                says => format!("`{line}` ends with exit code {code}: {}", short(says)),
            }));
        }
        let missing = self
            .stdout
            .iter()
            .find(|piece| !piece.is_in(&output.stdout));
        Ok(missing.map(|piece| format!("`{}` does not print `{piece}`.", short(&self.line))))
    }
}
