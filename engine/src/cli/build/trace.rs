//! The state of a BuildKit solve, from its status documents (the JSON of `--progress=rawjson`).

use crate::cli::config::unbase64;
use crate::cli::prelude::*;

/// A moment, in nanoseconds since 1970.
pub type Time = i128;

/// A part of a vertex that is under way.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub id: String,
    pub current: i64,
    pub total: i64,
    pub started: Option<Time>,
    pub completed: Option<Time>,
    pub timestamp: Time,
    /// Changed since it was last shown.
    pub fresh: bool,
}

/// A step.
#[derive(Clone, Debug, Default)]
pub struct Vertex {
    pub digest: String,
    pub name: String,
    /// Its number in plain output, 0 before it is shown.
    pub index: usize,
    pub started: Option<Time>,
    pub completed: Option<Time>,
    pub cached: bool,
    pub error: String,
    pub statuses: Vec<Status>,
    /// Lines not shown yet, with their time.
    pub logs: Vec<String>,
    /// A last line without its end.
    pub partial: String,
    /// The last lines, for errors and terminals.
    pub tail: Vec<String>,
    pub warnings: Vec<String>,
    pub fresh: bool,
    /// Plain output has said how it ended.
    pub told: bool,
}

/// How many lines are kept for showing later.
const TAIL: usize = 10;
/// How many vertices a build may have.
const MAX_VERTICES: usize = 10_000;

/// All steps of a build.
#[derive(Debug, Default)]
pub struct Trace {
    pub vertices: Vec<Vertex>,
    /// Lint warnings: text and line.
    pub warnings: Vec<(String, i64)>,
}

fn time(v: &J) -> Option<Time> {
    let (s, n) = units::parse_rfc3339(v.as_str()?)?;
    Some(Time::from(s) * 1_000_000_000 + Time::from(n))
}

/// Seconds between two moments.
pub fn seconds(from: Time, to: Time) -> f64 {
    (to - from).max(0) as f64 / 1e9
}

fn bytes(v: &J) -> String {
    let text = v.as_str().unwrap_or("");
    match unbase64(text) {
        Some(b) => String::from_utf8_lossy(&b).into_owned(),
        None => text.to_string(),
    }
}

impl Trace {
    fn vertex(&mut self, digest: &str) -> Option<&mut Vertex> {
        self.vertices.iter_mut().find(|v| v.digest == digest)
    }

    /// Takes in a status document.
    pub fn update(&mut self, doc: &J) {
        for v in doc.items("vertexes") {
            let digest = v.text("digest");
            if self.vertex(digest).is_none() {
                if self.vertices.len() >= MAX_VERTICES {
                    continue;
                }
                self.vertices.push(Vertex {
                    digest: digest.into(),
                    ..Vertex::default()
                });
            }
            let Some(x) = self.vertex(digest) else {
                continue;
            };
            x.name = v.text("name").into();
            if let Some(t) = time(v.at("started")) {
                x.fresh |= x.started.is_none();
                x.started = x.started.or(Some(t));
            }
            if let Some(t) = time(v.at("completed")) {
                x.fresh = true;
                x.completed = Some(t);
            }
            x.cached |= v.flag("cached");
            if !v.text("error").is_empty() {
                x.error = v.text("error").into();
            }
        }
        for s in doc.items("statuses") {
            let Some(x) = self.vertex(s.text("vertex")) else {
                continue;
            };
            x.fresh = true;
            let id = s.text("id");
            let status = Status {
                id: id.into(),
                current: s.num("current"),
                total: s.num("total"),
                started: time(s.at("started")),
                completed: time(s.at("completed")),
                timestamp: time(s.at("timestamp")).unwrap_or(0),
                fresh: true,
            };
            match x.statuses.iter_mut().find(|o| o.id == id) {
                Some(old) => *old = status,
                None => x.statuses.push(status),
            }
        }
        for l in doc.items("logs") {
            let at = time(l.at("timestamp"));
            let data = bytes(l.at("data"));
            let Some(x) = self.vertex(l.text("vertex")) else {
                continue;
            };
            x.fresh = true;
            let since = match (x.started, at) {
                (Some(s), Some(t)) => seconds(s, t),
                _ => 0.0,
            };
            // Three digits, as far as they go.
            let digits = if since < 10.0 {
                3
            } else if since < 100.0 {
                2
            } else {
                1
            };
            let mut parts = data.split('\n').peekable();
            while let Some(p) = parts.next() {
                let last = parts.peek().is_none();
                if x.partial.is_empty() && (!last || !p.is_empty()) {
                    x.partial = format!("{since:.digits$} ");
                }
                x.partial.push_str(p.trim_end_matches('\r'));
                if !last {
                    let line = std::mem::take(&mut x.partial);
                    x.logs.push(line.clone());
                    x.tail.push(line);
                    if x.tail.len() > TAIL {
                        x.tail.remove(0);
                    }
                }
            }
        }
        for w in doc.items("warnings") {
            let short = bytes(w.at("short"));
            let line = w
                .items("range")
                .first()
                .map_or(0, |r| r.at("start").num("line"));
            self.warnings.push((short.clone(), line));
            if let Some(x) = self.vertex(w.text("vertex")) {
                x.warnings.push(short);
                x.fresh = true;
            }
        }
    }

    /// The warnings as `docker build` lists them at the end.
    pub fn warning_summary(&self) -> String {
        let n = self.warnings.len();
        if n == 0 {
            return String::new();
        }
        let mut out = format!(
            "\n {n} warning{} found (use docker --debug to expand):\n",
            if n == 1 { "" } else { "s" }
        );
        for (text, line) in &self.warnings {
            // The line is in a range of its own; texts may end with it already.
            let known = text.contains("(line ");
            if *line > 0 && !known {
                out.push_str(&format!(" - {text} (line {line})\n"));
            } else {
                out.push_str(&format!(" - {text}\n"));
            }
        }
        out
    }

    /// The failed step's name and last lines.
    pub fn error_summary(&self) -> String {
        let mut out = String::new();
        for v in &self.vertices {
            if v.error.is_empty() || v.error.ends_with("context canceled") {
                continue;
            }
            out.push_str(&format!("------\n > {}:\n", v.name));
            for l in &v.tail {
                out.push_str(l);
                out.push('\n');
            }
            out.push_str("------\n");
        }
        out
    }
}
