//! A very small shell on trees, for the processes of builds under test.

use bottleship_engine::api::ApiError;
use bottleship_engine::build::tree::{lookup, mkdir_all, read, walk};
use bottleship_vfs::{CreatePerm, InodeRef};

use crate::world::put;

#[derive(Default)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: i64,
}

struct Shell<'a> {
    root: &'a InodeRef,
    mounts: &'a [(String, InodeRef)],
    env: &'a [String],
    cwd: String,
}

/// Runs argv: `/bin/sh -c TEXT`, or nothing that exists.
pub fn run(
    root: &InodeRef,
    mounts: &[(String, InodeRef)],
    argv: &[String],
    env: &[String],
    cwd: &str,
) -> Result<Ran, ApiError> {
    let program = argv.first().map_or("", String::as_str);
    let text = match (program, argv.last()) {
        ("/bin/sh", Some(text)) if argv.len() == 3 => text.clone(),
        _ => {
            return Err(ApiError::invalid(format!(
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: {program:?}: executable file not found in $PATH: unknown"
            )));
        }
    };
    let shell = Shell {
        root,
        mounts,
        env,
        cwd: if cwd.is_empty() {
            "/".into()
        } else {
            cwd.into()
        },
    };
    Ok(shell.script(&text))
}

impl Shell<'_> {
    fn script(&self, text: &str) -> Ran {
        let mut ran = Ran::default();
        for line in text.lines() {
            for list in line.split(';') {
                self.list(list, &mut ran);
            }
        }
        ran
    }

    fn list(&self, list: &str, ran: &mut Ran) {
        for part in list.split("&&") {
            let mut or = part.split("||");
            let first = or.next().unwrap_or_default();
            ran.code = self.command(first, ran);
            for other in or {
                if ran.code != 0 {
                    ran.code = self.command(other, ran);
                }
            }
            if ran.code != 0 {
                return;
            }
        }
    }

    fn path(&self, path: &str) -> (InodeRef, String) {
        let full = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("{}/{path}", self.cwd.trim_end_matches('/')),
        };
        let under = |target: &str| {
            let rest = full.strip_prefix(target)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        let mount = self.mounts.iter().rev();
        let found = mount
            .filter_map(|(target, tree)| Some((tree.clone(), under(target)?)))
            .next();
        found.unwrap_or_else(|| (self.root.clone(), full.clone()))
    }

    fn words(&self, text: &str) -> Vec<String> {
        let mut out = Vec::new();
        let mut word = String::new();
        let mut quoted = None;
        let mut started = false;
        let mut chars = text.trim().chars().peekable();
        while let Some(c) = chars.next() {
            match (c, quoted) {
                ('"' | '\'', None) => {
                    quoted = Some(c);
                    started = true;
                }
                (c, Some(q)) if c == q => quoted = None,
                ('$', q) if q != Some('\'') => {
                    let mut name = String::new();
                    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                        name.push(c);
                    }
                    let mut entry = self.env.iter().filter_map(|e| e.split_once('='));
                    word += entry.rfind(|(k, _)| *k == name).map_or("", |e| e.1);
                    started = true;
                }
                (' ', None) => {
                    if started {
                        out.push(std::mem::take(&mut word));
                    }
                    started = false;
                }
                (c, _) => {
                    word.push(c);
                    started = true;
                }
            }
        }
        if started {
            out.push(word);
        }
        out
    }

    fn command(&self, text: &str, ran: &mut Ran) -> i64 {
        let (text, sorted) = match text.trim().strip_suffix("| sort") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let mut words = self.words(text);
        let mut target = None;
        if let Some(at) = words.iter().position(|w| w == ">" || w == ">>") {
            let append = words[at] == ">>";
            target = words.get(at + 1).map(|path| (self.path(path), append));
            words.truncate(at);
        }
        let mut out = String::new();
        let argument = |n: usize| words.get(n).map_or("", String::as_str);
        let missing = |ran: &mut Ran, what: &str| {
            ran.err += &format!("{what}: No such file or directory\n");
            1
        };
        let code = match argument(0) {
            "echo" => {
                out = format!("{}\n", words[1..].join(" "));
                0
            }
            "pwd" => {
                out = format!("{}\n", self.cwd);
                0
            }
            "true" | "chmod" | "" => 0,
            "false" => 1,
            "exit" => argument(1).parse().unwrap_or(0),
            "cat" => {
                let (root, path) = self.path(argument(1));
                match read(&root, &path, 1 << 20) {
                    Ok(Some(data)) => {
                        out = String::from_utf8_lossy(&data).into_owned();
                        0
                    }
                    _ => missing(ran, argument(1)),
                }
            }
            "mkdir" => {
                let (root, path) = self.path(argument(1));
                let perm = CreatePerm {
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                };
                i64::from(mkdir_all(&root, &path, perm).is_err())
            }
            "rm" => {
                let (root, path) = self.path(argument(1));
                let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
                let dir = lookup(&root, dir, true).ok().flatten();
                let gone = dir.is_some_and(|d| d.inode.unlink(name.as_bytes()).is_ok());
                i64::from(!gone)
            }
            "find" => {
                let (root, path) = self.path(argument(1));
                match lookup(&root, &path, true) {
                    Ok(Some(found)) => {
                        out = format!("{}\n", argument(1));
                        for (name, _, _) in walk(&found.inode).unwrap_or_default() {
                            out += &format!("{}/{name}\n", argument(1));
                        }
                        0
                    }
                    _ => missing(ran, argument(1)),
                }
            }
            other => {
                ran.err += &format!("/bin/sh: {other}: not found\n");
                127
            }
        };
        if sorted {
            let mut lines: Vec<&str> = out.lines().collect();
            lines.sort_unstable();
            out = lines.iter().map(|line| format!("{line}\n")).collect();
        }
        match target {
            Some(((root, path), append)) => {
                let before = read(&root, &path, 1 << 20).ok().flatten();
                let mut data = before.filter(|_| append).unwrap_or_default();
                data.extend(out.into_bytes());
                put(&root, path.trim_start_matches('/'), &data, 0o644);
            }
            None => ran.out += &out,
        }
        code
    }
}
