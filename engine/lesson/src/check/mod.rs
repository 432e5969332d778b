//! Checks as data: what must be true of a Docker host, read from YAML, told in words, and judged on a [`World`].

mod container;
mod image;
mod other;
mod read;
mod world;

use serde::Serialize;

pub use container::{ContainerCheck, MountCheck};
pub use image::ImageCheck;
pub use other::{CommandCheck, HttpCheck, NetworkCheck, RunCheck, VolumeCheck};
pub use world::{Entry, FileState, Output, World, WorldError};

use crate::pattern::{Bound, Glob};

/// Something that must be true.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Where it stands.
    pub line: u32,
    /// The author's words for it.
    pub says: Option<String>,
    /// What is compared.
    pub test: Test,
}

/// What a check compares.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Image(Box<ImageCheck>),
    NoImage(Glob),
    Container(Box<ContainerCheck>),
    NoContainer(Box<ContainerCheck>),
    Network(NetworkCheck),
    NoNetwork(Glob),
    Volume(VolumeCheck),
    NoVolume(Glob),
    Command(CommandCheck),
    Http(HttpCheck),
    File(String, FileCheck),
    Run(RunCheck),
    Any(Vec<Check>),
    All(Vec<Check>),
    Not(Box<Check>),
}

/// What must be true of a file. Of nothing: that it is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileCheck {
    /// It must not be there.
    pub absent: bool,
    /// Pieces of its text.
    pub contains: Vec<Glob>,
    /// Pieces that it must not have.
    pub lacks: Vec<Glob>,
    /// Its whole text, without white space around it.
    pub is: Option<Glob>,
}

/// A check's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub ok: bool,
    /// What must be true, in words.
    pub goal: String,
    /// Why it is not, from the host's state.
    pub why: Option<String>,
}

/// Nothing when it is as it should be, else why not.
type Verdict = Result<Option<String>, WorldError>;

impl Check {
    /// What must be true, in words.
    pub fn goal(&self) -> String {
        match &self.says {
            Some(says) => says.clone(),
            None => self.test.describe(),
        }
    }

    /// Whether it is true.
    pub async fn judge(&self, world: &dyn World) -> Outcome {
        let why = match Box::pin(self.test.judge(world)).await {
            Ok(why) => why,
            Err(error) => Some(format!("This can't be checked now: {error}.")),
        };
        Outcome {
            ok: why.is_none(),
            goal: self.goal(),
            why,
        }
    }
}

impl Test {
    fn describe(&self) -> String {
        let list = |checks: &[Check], word: &str| {
            let goals: Vec<String> = checks.iter().map(Check::goal).collect();
            goals.join(word)
        };
        match self {
            Test::Image(check) => check.describe(),
            Test::NoImage(name) => format!("No image is called `{name}`"),
            Test::Container(check) => check.describe(),
            Test::NoContainer(check) => format!("There is no such container: {}", check.describe()),
            Test::Network(check) => check.describe(),
            Test::NoNetwork(name) => format!("No network is called `{name}`"),
            Test::Volume(check) => check.describe(),
            Test::NoVolume(name) => format!("No volume is called `{name}`"),
            Test::Command(check) => check.describe(),
            Test::Http(check) => check.describe(),
            Test::File(path, check) => format!("On the host, {}", check.describe(path)),
            Test::Run(check) => check.describe(),
            Test::Any(checks) => list(checks, ", or: "),
            Test::All(checks) => list(checks, "; "),
            Test::Not(check) => format!("This is not so: {}", check.goal()),
        }
    }

    async fn judge(&self, world: &dyn World) -> Verdict {
        match self {
            Test::Image(check) => check.judge(world).await,
            Test::NoImage(name) => image::absent(name, world).await,
            Test::Container(check) => check.judge(world).await,
            Test::NoContainer(check) => check.judge_absent(world).await,
            Test::Network(check) => check.judge(world).await,
            Test::NoNetwork(name) => other::no_network(name, world).await,
            Test::Volume(check) => check.judge(world).await,
            Test::NoVolume(name) => other::no_volume(name, world).await,
            Test::Command(check) => Ok(check.judge(&world.commands())),
            Test::Http(check) => check.judge(world).await,
            Test::File(path, check) => {
                let file = world.host_file(path).await?;
                Ok(check
                    .judge(path, file.as_ref())
                    .map(|why| format!("On the host, {why}")))
            }
            Test::Run(check) => check.judge(world).await,
            Test::Any(checks) => {
                let mut first = None;
                for check in checks {
                    match Box::pin(check.test.judge(world)).await? {
                        None => return Ok(None),
                        Some(why) => first = first.or(Some(why)),
                    }
                }
                Ok(first)
            }
            Test::All(checks) => {
                for check in checks {
                    if let Some(why) = Box::pin(check.test.judge(world)).await? {
                        return Ok(Some(why));
                    }
                }
                Ok(None)
            }
            Test::Not(check) => {
                let why = Box::pin(check.test.judge(world)).await?;
                let still = || format!("This is so, and should not be: {}.", check.goal());
                Ok(why.is_none().then(still))
            }
        }
    }
}

impl FileCheck {
    fn describe(&self, path: &str) -> String {
        if self.absent {
            return format!("`{path}` is not there");
        }
        let quoted = |globs: &[Glob]| {
            let all: Vec<String> = globs.iter().map(|glob| format!("`{glob}`")).collect();
            all.join(", ")
        };
        let mut parts = Vec::new();
        if let Some(is) = &self.is {
            parts.push(format!("is `{is}`"));
        }
        if !self.contains.is_empty() {
            parts.push(format!("has {}", quoted(&self.contains)));
        }
        if !self.lacks.is_empty() {
            parts.push(format!("has no {}", quoted(&self.lacks)));
        }
        match parts.is_empty() {
            true => format!("`{path}` is there"),
            false => format!("`{path}` {}", parts.join(" and ")),
        }
    }

    /// Nothing when it is as it should be, else why not, to be put after `In X,`.
    fn judge(&self, path: &str, file: Option<&FileState>) -> Option<String> {
        let Some(file) = file else {
            return (!self.absent).then(|| format!("there is no `{path}`."));
        };
        if self.absent {
            return Some(format!("`{path}` is still there."));
        }
        let text = String::from_utf8_lossy(&file.bytes);
        if let Some(is) = self.is.as_ref().filter(|is| !is.is(text.trim())) {
            return Some(format!("`{path}` is `{}`, not `{is}`.", short(text.trim())));
        }
        if let Some(piece) = self.contains.iter().find(|piece| !piece.is_in(&text)) {
            return Some(format!("`{path}` has no `{piece}` in it."));
        }
        let surplus = self.lacks.iter().find(|piece| piece.is_in(&text))?;
        Some(format!("`{path}` has `{surplus}` in it."))
    }
}

/// The beginning of a text that may be long.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(60).collect();
    match cut.len() < text.len() {
        true => format!("{cut}…"),
        false => cut,
    }
}

/// `2 containers are`, `1 container is`.
fn count(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what} is"),
        n => format!("{n} {what}s are"),
    }
}

/// Why a number is out of its bound.
fn out_of(bound: &Bound, number: usize, what: &str) -> Option<String> {
    let is = count(number, what);
    (!bound.holds(number as i128)).then(|| format!("{is} there, and it should be {bound}."))
}

#[cfg(test)]
mod tests;
