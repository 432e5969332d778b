//! Checks from YAML. A short form of most is a name alone: `image: web`.

use super::container::FLAGS;
use super::{
    Check, CommandCheck, ContainerCheck, FileCheck, HttpCheck, ImageCheck, MountCheck,
    NetworkCheck, RunCheck, Test, VolumeCheck,
};
use crate::error::{LessonError, Result};
use crate::pattern::{Bound, Glob};
use crate::yaml::{Entry, Fields, Node, Value};

const KINDS: [&str; 15] = [
    "image",
    "no-image",
    "container",
    "no-container",
    "network",
    "no-network",
    "volume",
    "no-volume",
    "command",
    "http",
    "file",
    "run",
    "any",
    "all",
    "not",
];
const STATES: [&str; 6] = [
    "created",
    "running",
    "paused",
    "restarting",
    "exited",
    "dead",
];
const HEALTH: [&str; 3] = ["starting", "healthy", "unhealthy"];
/// Checks of one list.
const MAX_CHECKS: usize = 64;

impl Check {
    /// Reads a list of checks, or one.
    pub fn read_all(node: Node) -> Result<Vec<Check>> {
        let line = node.line;
        let nodes = node.one_or_list();
        if nodes.is_empty() || nodes.len() > MAX_CHECKS {
            return Err(LessonError::new(
                line,
                format!("from 1 to {MAX_CHECKS} checks are needed"),
            ));
        }
        nodes.into_iter().map(Check::read).collect()
    }

    /// Reads one check: a mapping of its kind, and perhaps `says`.
    pub fn read(node: Node) -> Result<Check> {
        let line = node.line;
        let mut kind = None;
        let mut says = None;
        for Entry { key, line, node } in node.entries("a check")? {
            if key == "says" {
                says = Some(node.text("says")?);
            } else if !KINDS.contains(&key.as_str()) {
                let known = KINDS.join(", ");
                return Err(LessonError::new(
                    line,
                    format!("unknown check `{key}`; known: {known}"),
                ));
            } else if kind.replace((key, node)).is_some() {
                return Err(LessonError::new(
                    line,
                    "two checks in one: begin the second with `-`",
                ));
            }
        }
        let (kind, node) = kind.ok_or_else(|| LessonError::new(line, "a check without a kind"))?;
        let test = match kind.as_str() {
            "image" => Test::Image(Box::new(image(node)?)),
            "no-image" => Test::NoImage(glob(node, "no-image")?),
            "container" => Test::Container(Box::new(container(node, "container")?)),
            "no-container" => Test::NoContainer(Box::new(container(node, "no-container")?)),
            "network" => Test::Network(network(node)?),
            "no-network" => Test::NoNetwork(glob(node, "no-network")?),
            "volume" => Test::Volume(volume(node)?),
            "no-volume" => Test::NoVolume(glob(node, "no-volume")?),
            "command" => Test::Command(command(node)?),
            "http" => Test::Http(http(node)?),
            "file" => host_file(node)?,
            "run" => Test::Run(run(node)?),
            "any" => Test::Any(Check::read_all(node)?),
            "all" => Test::All(Check::read_all(node)?),
            _ => Test::Not(Box::new(Check::read(node)?)),
        };
        Ok(Check { line, says, test })
    }
}

fn glob(node: Node, what: &str) -> Result<Glob> {
    Ok(Glob::new(&node.text(what)?))
}

fn opt_glob(fields: &mut Fields, key: &'static str) -> Result<Option<Glob>> {
    fields.opt(key).map(|node| glob(node, key)).transpose()
}

fn opt_bound(fields: &mut Fields, key: &'static str) -> Result<Option<Bound>> {
    fields
        .opt(key)
        .map(|node| Bound::read(node, key))
        .transpose()
}

fn opt_truth(fields: &mut Fields, key: &'static str) -> Result<Option<bool>> {
    fields.opt(key).map(|node| node.truth(key)).transpose()
}

fn texts(fields: &mut Fields, key: &'static str) -> Result<Vec<String>> {
    fields
        .opt(key)
        .map_or(Ok(Vec::new()), |node| node.texts(key))
}

fn globs(fields: &mut Fields, key: &'static str) -> Result<Vec<Glob>> {
    Ok(texts(fields, key)?
        .iter()
        .map(|text| Glob::new(text))
        .collect())
}

/// Words of a command: text, or a list joined by spaces.
fn words(fields: &mut Fields, key: &'static str) -> Result<Option<Glob>> {
    let Some(node) = fields.opt(key) else {
        return Ok(None);
    };
    Ok(Some(Glob::new(&node.texts(key)?.join(" "))))
}

/// Names and what their values are like.
fn pairs(fields: &mut Fields, key: &'static str) -> Result<Vec<(String, Glob)>> {
    let pairs = fields
        .opt(key)
        .map_or(Ok(Vec::new()), |node| node.pairs(key))?;
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name, Glob::new(&value)))
        .collect())
}

/// Paths and what must be true of the files.
fn files(fields: &mut Fields) -> Result<Vec<(String, FileCheck)>> {
    let entries = fields
        .opt("files")
        .map_or(Ok(Vec::new()), |node| node.entries("files"))?;
    entries
        .into_iter()
        .map(|entry| {
            if !entry.key.starts_with('/') {
                return Err(LessonError::new(
                    entry.line,
                    "a path in `files` begins with /",
                ));
            }
            Ok((entry.key, file(entry.node)?))
        })
        .collect()
}

/// Text is what the file has in it; nothing, that it is there.
fn file(node: Node) -> Result<FileCheck> {
    match node.value {
        Value::Null => Ok(FileCheck::default()),
        Value::Text(text) => Ok(FileCheck {
            contains: vec![Glob::new(&text)],
            ..FileCheck::default()
        }),
        _ => {
            let mut fields = node.fields("a file's check")?;
            let check = file_fields(&mut fields)?;
            fields.finish()?;
            Ok(check)
        }
    }
}

fn file_fields(fields: &mut Fields) -> Result<FileCheck> {
    Ok(FileCheck {
        absent: opt_truth(fields, "absent")?.unwrap_or_default(),
        contains: globs(fields, "contains")?,
        lacks: globs(fields, "lacks")?,
        is: opt_glob(fields, "is")?,
    })
}

fn host_file(node: Node) -> Result<Test> {
    if let Value::Text(path) = node.value {
        return Ok(Test::File(path, FileCheck::default()));
    }
    let mut fields = node.fields("a file check")?;
    let path = fields.need("path")?.text("path")?;
    let check = file_fields(&mut fields)?;
    fields.finish()?;
    Ok(Test::File(path, check))
}

fn image(node: Node) -> Result<ImageCheck> {
    if let Value::Text(name) = node.value {
        return Ok(ImageCheck {
            name,
            ..ImageCheck::default()
        });
    }
    let mut fields = node.fields("an image check")?;
    let f = &mut fields;
    let check = ImageCheck {
        name: f.need("name")?.text("name")?,
        also: texts(f, "also")?,
        differs: texts(f, "differs")?,
        from: f.opt_text("from")?,
        size: opt_bound(f, "size")?,
        layers: opt_bound(f, "layers")?,
        history: globs(f, "history")?,
        env: pairs(f, "env")?,
        cmd: words(f, "cmd")?,
        entrypoint: words(f, "entrypoint")?,
        workdir: opt_glob(f, "workdir")?,
        user: opt_glob(f, "user")?,
        exposes: texts(f, "exposes")?,
        volumes: texts(f, "volumes")?,
        labels: pairs(f, "labels")?,
        files: files(f)?,
    };
    fields.finish()?;
    Ok(check)
}

fn one_of(fields: &mut Fields, key: &'static str, known: &[&str]) -> Result<Option<String>> {
    let Some(node) = fields.opt(key) else {
        return Ok(None);
    };
    let line = node.line;
    let text = node.text(key)?;
    match known.contains(&text.as_str()) {
        true => Ok(Some(text)),
        false => Err(LessonError::new(
            line,
            format!("{key} `{text}`; known: {}", known.join(", ")),
        )),
    }
}

fn container(node: Node, what: &'static str) -> Result<ContainerCheck> {
    if let Value::Text(name) = node.value {
        return Ok(ContainerCheck {
            name: Some(Glob::new(&name)),
            ..ContainerCheck::default()
        });
    }
    let mut fields = node.fields(what)?;
    let f = &mut fields;
    let mut flags = Vec::new();
    for (name, _) in FLAGS {
        flags.extend(opt_truth(f, name)?.map(|on| (name, on)));
    }
    let ports = f
        .opt("ports")
        .map_or(Ok(Vec::new()), |node| node.pairs("ports"))?;
    let mounts = f.opt("mounts").map_or(Vec::new(), Node::one_or_list);
    let check = ContainerCheck {
        name: opt_glob(f, "name")?,
        image: opt_glob(f, "image")?,
        count: opt_bound(f, "count")?,
        state: one_of(f, "state", &STATES)?,
        exit_code: opt_bound(f, "exit-code")?,
        health: one_of(f, "health", &HEALTH)?,
        command: words(f, "command")?,
        env: pairs(f, "env")?,
        labels: pairs(f, "labels")?,
        ports,
        mounts: mounts.into_iter().map(mount).collect::<Result<_>>()?,
        networks: texts(f, "networks")?,
        not_networks: texts(f, "not-networks")?,
        aliases: texts(f, "aliases")?,
        files: files(f)?,
        changed: globs(f, "changed")?,
        logs: globs(f, "logs")?,
        restart: opt_glob(f, "restart")?,
        memory: opt_bound(f, "memory")?,
        cpus: opt_bound(f, "cpus-thousandths")?,
        pids: opt_bound(f, "pids")?,
        hostname: opt_glob(f, "hostname")?,
        user: opt_glob(f, "user")?,
        workdir: opt_glob(f, "workdir")?,
        restarts: opt_bound(f, "restarts")?,
        flags,
    };
    fields.finish()?;
    Ok(check)
}

fn mount(node: Node) -> Result<MountCheck> {
    let mut fields = node.fields("a mount's check")?;
    let f = &mut fields;
    let check = MountCheck {
        at: f.need("at")?.text("at")?,
        volume: opt_glob(f, "volume")?,
        bind: opt_glob(f, "bind")?,
        tmpfs: opt_truth(f, "tmpfs")?.unwrap_or_default(),
        read_only: opt_truth(f, "read-only")?,
    };
    fields.finish()?;
    Ok(check)
}

fn network(node: Node) -> Result<NetworkCheck> {
    if let Value::Text(name) = node.value {
        return Ok(NetworkCheck {
            name,
            ..NetworkCheck::default()
        });
    }
    let mut fields = node.fields("a network check")?;
    let f = &mut fields;
    let check = NetworkCheck {
        name: f.need("name")?.text("name")?,
        driver: opt_glob(f, "driver")?,
        internal: opt_truth(f, "internal")?,
        subnet: opt_glob(f, "subnet")?,
        gateway: opt_glob(f, "gateway")?,
        labels: pairs(f, "labels")?,
        containers: texts(f, "containers")?,
    };
    fields.finish()?;
    Ok(check)
}

fn volume(node: Node) -> Result<VolumeCheck> {
    if let Value::Text(name) = node.value {
        return Ok(VolumeCheck {
            name,
            ..VolumeCheck::default()
        });
    }
    let mut fields = node.fields("a volume check")?;
    let check = VolumeCheck {
        name: fields.need("name")?.text("name")?,
        labels: pairs(&mut fields, "labels")?,
        files: files(&mut fields)?,
    };
    fields.finish()?;
    Ok(check)
}

fn command(node: Node) -> Result<CommandCheck> {
    if !matches!(node.value, Value::Map(_)) {
        let like = node
            .texts("command")?
            .iter()
            .map(|text| Glob::new(text))
            .collect();
        return Ok(CommandCheck {
            like,
            ..CommandCheck::default()
        });
    }
    let mut fields = node.fields("a command check")?;
    let check = CommandCheck {
        like: fields
            .need("like")?
            .texts("like")?
            .iter()
            .map(|text| Glob::new(text))
            .collect(),
        exit: opt_bound(&mut fields, "exit")?,
        count: opt_bound(&mut fields, "count")?,
    };
    fields.finish()?;
    Ok(check)
}

fn http(node: Node) -> Result<HttpCheck> {
    let mut fields = node.fields("an http check")?;
    let f = &mut fields;
    let port = f.need("port")?;
    let line = port.line;
    let path = f.opt_text("path")?.unwrap_or_else(|| "/".into());
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-_./?=&%~+".contains(&b);
    if !path.starts_with('/') || path.len() > 1024 || !path.bytes().all(harmless) {
        return Err(LessonError::new(
            line,
            "an http check's path begins with / and has letters, digits and -_./?=&%~+",
        ));
    }
    let check = HttpCheck {
        port: u16::try_from(port.number("port", 65535)?).unwrap_or_default(),
        path,
        status: opt_bound(f, "status")?,
        contains: globs(f, "contains")?,
        silent: opt_truth(f, "silent")?.unwrap_or_default(),
    };
    fields.finish()?;
    Ok(check)
}

fn run(node: Node) -> Result<RunCheck> {
    if let Value::Text(line) = node.value {
        return Ok(RunCheck {
            line,
            ..RunCheck::default()
        });
    }
    let mut fields = node.fields("a run check")?;
    let check = RunCheck {
        line: fields.need("line")?.text("line")?,
        exit: fields
            .opt("exit")
            .map_or(Ok(0), |node| node.number("exit", 255))?,
        stdout: globs(&mut fields, "stdout")?,
    };
    fields.finish()?;
    Ok(check)
}
