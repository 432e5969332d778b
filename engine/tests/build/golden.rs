//! The classic builder's stream against transcripts of a real Docker, found through `BOTTLESHIP_SHARED` or in
//! `shared` beside the workspace. Only the steps that build are replayed, without a client: what a client prints
//! (the context's size, usage errors) is left out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bottleship_engine::api::query::Query;
use bottleship_engine::build::BuildRequest;
use serde_json::Value;

use crate::world::{World, found, tar};

fn shared() -> Option<PathBuf> {
    let set = std::env::var_os("BOTTLESHIP_SHARED").map(PathBuf::from);
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    Some(set.unwrap_or_else(beside)).filter(|dir| dir.join("oracle").is_dir())
}

/// Ids become numbers in the order they appear in.
fn without_ids(text: &str) -> String {
    let mut seen: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || c == ':' {
            word.push(c);
            continue;
        }
        let hex = word.strip_prefix("sha256:").unwrap_or(&word);
        let is_id = matches!(hex.len(), 12 | 64) && hex.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id {
            let short = hex[..12].to_owned();
            let at = seen.iter().position(|s| *s == short).unwrap_or(seen.len());
            if at == seen.len() {
                seen.push(short);
            }
            out += &format!("<{at}>");
        } else {
            out += &word;
        }
        word.clear();
        out.push(c);
    }
    out.trim_end().to_owned()
}

/// What a shell makes of a word: quotes off.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut started) = (None, false);
    for c in text.chars() {
        match (c, quoted) {
            ('\'' | '"', None) => (quoted, started) = (Some(c), true),
            (c, Some(q)) if c == q => quoted = None,
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

/// Transcripts about something else: a pull's error, a Docker that knew no heredocs, and the hash of an archive
/// that the recording host's tar made.
const ELSEWHERE: [&str; 3] = [
    "pull access denied",
    "unknown instruction: HI",
    "ADD file:e72c9a9fcd9db25d0",
];

struct Replay {
    world: World,
    files: BTreeMap<String, Vec<u8>>,
    passed: usize,
    differences: Vec<String>,
}

impl Replay {
    /// `printf 'x\n'`, `echo 'x'`.
    fn printed(command: &str) -> Option<Vec<u8>> {
        let words = words(command);
        match words.first()?.as_str() {
            "printf" => Some(words.get(1)?.replace("\\n", "\n").into_bytes()),
            "echo" => Some(format!("{}\n", words.get(1)?).into_bytes()),
            _ => None,
        }
    }

    fn step(&mut self, step: &Value) {
        let command = step["cmd"].as_str().expect("a command");
        for part in command.split("; ") {
            if let Some((print, file)) = part.split_once(" > ").or(part.split_once(" >> "))
                && let Some(data) = Self::printed(print)
            {
                let slot = self.files.entry(file.trim().to_owned()).or_default();
                if !part.contains(" >> ") {
                    slot.clear();
                }
                slot.extend(data);
            } else if let Some(rest) = part.split_once("docker build").map(|(_, rest)| rest) {
                let input = part.split_once(" | ").and_then(|(p, _)| Self::printed(p));
                self.build(rest, input, step);
            } else if part.starts_with("docker history --format '{{.CreatedBy}}") {
                let name = part.rsplit(' ').next().expect("a name");
                self.history(name, step);
            }
        }
    }

    fn build(&mut self, rest: &str, input: Option<Vec<u8>>, step: &Value) {
        let output = step["out"].as_str().expect("output");
        let error = step["err"].as_str().expect("errors");
        let failed = step["rc"].as_i64() != Some(0);
        if failed && !output.starts_with("Sending build context") {
            // The client refused.
            return;
        }
        let mut query = String::new();
        let mut arguments = BTreeMap::new();
        let (rest, filter) = rest.split_once(" | ").unwrap_or((rest, ""));
        let (rest, from) = rest.split_once(" < ").unwrap_or((rest, ""));
        let mut place = String::new();
        let mut list = words(rest).into_iter();
        while let Some(word) = list.next() {
            let mut value = || list.next().unwrap_or_default();
            match word.as_str() {
                "-t" => query += &format!("&t={}", value()),
                "-f" => query += &format!("&dockerfile={}", value()),
                "-q" => query += "&q=1",
                "--no-cache" => query += "&nocache=1",
                "--rm=false" => query += "&rm=0",
                "--force-rm=false" => query += "&forcerm=0",
                "--build-arg" => {
                    let value = value();
                    let (key, value) = value.split_once('=').expect("an argument");
                    arguments.insert(key.to_owned(), Some(value.to_owned()));
                }
                other => place = other.to_owned(),
            }
        }
        if command_pulls(&arguments) {
            return;
        }
        let mut request = BuildRequest::parse(&Query::parse(&query)).expect("a request");
        request.build_args = arguments;
        let context = match (place.as_str(), input) {
            ("-", Some(dockerfile)) => BTreeMap::from([("Dockerfile".to_owned(), dockerfile)]),
            ("-", None) => {
                let file = self.files.get(from.trim()).cloned();
                BTreeMap::from([("Dockerfile".to_owned(), file.expect("the file"))])
            }
            (".", _) => self.files.clone(),
            (dir, _) => {
                let prefix = format!("{dir}/");
                let inside = self.files.iter();
                inside
                    .filter_map(|(name, data)| {
                        Some((name.strip_prefix(&prefix)?.to_owned(), data.clone()))
                    })
                    .collect()
            }
        };
        let built = self.world.build_archive(&archive(&context), &request);
        let mut got = built.text();
        let mut want = output.to_owned();
        if let Some(rest) = want.strip_prefix("Sending build context") {
            want = rest
                .split_once('\n')
                .map_or("", |(_, rest)| rest)
                .to_owned();
        }
        match filter {
            "" => {}
            "tail -1" => got = got.lines().last().unwrap_or_default().to_owned(),
            "wc -l" => got = got.lines().count().to_string(),
            other => panic!("unknown filter {other}"),
        }
        if let Err(failure) = &built.result {
            let daemon = "Error response from daemon: ";
            let prefix = if built.messages.is_empty() {
                daemon
            } else {
                ""
            };
            got += &format!("\n{prefix}{}", failure.error.message);
            let last = error.trim_end().lines().last().unwrap_or_default();
            want += &format!("\n{last}");
            let code = if failure.code == 0 { 1 } else { failure.code };
            got += &format!("\n{code}");
            want += &format!("\n{}", step["rc"]);
        }
        self.compare(step, &got, &want);
    }

    fn history(&mut self, name: &str, step: &Value) {
        let id = found(&self.world, name).expect("the image");
        let rows = self.world.config(&id).history;
        let shown = |text: &str| match text.chars().count() {
            0..=45 => text.to_owned(),
            _ => text.chars().take(44).chain(['…']).collect(),
        };
        let got: Vec<String> = rows.iter().rev().map(|h| shown(&h.created_by)).collect();
        let want: Vec<&str> = step["out"].as_str().expect("output").lines().collect();
        let want = want.iter().filter_map(|row| row.rsplit_once(" | "));
        // The base image's own rows come last.
        let want: Vec<&str> = want.map(|row| row.0).collect();
        let own = want.len().saturating_sub(2);
        self.compare(
            step,
            &got[..got.len() - 1].join("\n"),
            &want[..own].join("\n"),
        );
    }

    fn compare(&mut self, step: &Value, got: &str, want: &str) {
        if ELSEWHERE.iter().any(|text| want.contains(text)) {
            return;
        }
        let (got, want) = (without_ids(got.trim()), without_ids(want.trim()));
        if got == want {
            self.passed += 1;
            return;
        }
        let command = &step["cmd"];
        self.differences
            .push(format!("{command}\n--- got\n{got}\n--- want\n{want}\n"));
    }
}

/// Whether the build needs an image that is not here.
fn command_pulls(arguments: &BTreeMap<String, Option<String>>) -> bool {
    arguments.contains_key("BASE")
}

fn archive(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut list: Vec<(String, &[u8])> = Vec::new();
    for (name, data) in files {
        for (at, _) in name.match_indices('/') {
            let dir = format!("{}/", &name[..at]);
            if !list.iter().any(|(name, _)| *name == dir) {
                list.push((dir, b""));
            }
        }
        list.push((name.clone(), data));
    }
    let list: Vec<(&str, &[u8])> = list.iter().map(|(n, d)| (n.as_str(), *d)).collect();
    tar(&list)
}

/// The files a scenario starts with.
fn scenario(text: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("@file ") {
            files.insert(name.to_owned(), Vec::new());
            current = Some(name.to_owned());
        } else if line.starts_with("@steps") {
            break;
        } else if let Some(file) = current.as_ref().and_then(|name| files.get_mut(name)) {
            file.extend(line.as_bytes());
            file.push(b'\n');
        }
    }
    files
}

#[test]
fn transcripts() {
    let Some(shared) = shared() else {
        println!("skipped: no transcripts (BOTTLESHIP_SHARED)");
        return;
    };
    let mut differences = Vec::new();
    for name in [
        "13_build_basic",
        "14_build_instructions",
        "16_build_errors",
        "17_dockerignore",
    ] {
        let read = |path: String| std::fs::read_to_string(shared.join(path)).expect("a file");
        let golden: Value =
            serde_json::from_str(&read(format!("oracle/golden/{name}.json"))).expect("JSON");
        let mut files = scenario(&read(format!("oracle/scenarios/{name}.txt")));
        if name == "14_build_instructions" {
            let inner = tar(&[("t/", b""), ("t/f", b"inner\n")]);
            files.insert("arch.tar".into(), inner);
        }
        let mut replay = Replay {
            world: World::new(),
            files,
            passed: 0,
            differences: Vec::new(),
        };
        for step in golden["steps"].as_array().expect("steps") {
            replay.step(step);
        }
        let total = replay.passed + replay.differences.len();
        println!("{name}: {}/{total}", replay.passed);
        differences.extend(replay.differences);
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
