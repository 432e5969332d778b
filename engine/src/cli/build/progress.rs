//! BuildKit's progress, plain and on a terminal (util/progress/progressui).

use super::trace::{Status, Time, Trace, Vertex, seconds};
use std::fmt::Write;

/// Shows a trace as it grows.
pub struct Progress {
    terminal: Option<Terminal>,
    started: Time,
    next: usize,
    current: Option<String>,
    not_first: bool,
}

struct Terminal {
    width: usize,
    height: usize,
    /// Lines of the last frame.
    lines: usize,
}

/// BuildKit's `units.Bytes` with `%.2f`.
fn size(n: i64) -> String {
    let (mut v, mut unit) = (n as f64, 0);
    const NAMES: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    while v >= 1000.0 && unit + 1 < NAMES.len() {
        v /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{n}B")
    } else {
        format!("{v:.2}{}", NAMES[unit])
    }
}

fn status_text(s: &Status) -> String {
    let mut out = s.id.clone();
    if s.total != 0 {
        let _ = write!(out, " {} / {}", size(s.current), size(s.total));
    } else if s.current != 0 {
        let _ = write!(out, " {}", size(s.current));
    }
    out
}

/// Cuts a name in its middle of words, as BuildKit limits names.
fn limit(name: &str, max: usize) -> String {
    if name.chars().count() <= max {
        return name.to_string();
    }
    let mut out: String = name.chars().take(max.saturating_sub(3)).collect();
    out.push_str("...");
    out
}

impl Progress {
    /// Plain output.
    pub fn plain(started: Time) -> Progress {
        Progress {
            terminal: None,
            started,
            next: 0,
            current: None,
            not_first: false,
        }
    }

    /// Frames on a terminal of this size.
    pub fn terminal(started: Time, columns: u16, rows: u16) -> Progress {
        Progress {
            terminal: Some(Terminal {
                width: usize::from(columns).max(20),
                height: usize::from(rows).max(5),
                lines: 0,
            }),
            ..Progress::plain(started)
        }
    }

    /// What to write after an update.
    pub fn show(&mut self, trace: &mut Trace, now: Time, finished: bool) -> String {
        match &mut self.terminal {
            Some(t) => t.frame(trace, self.started, now, finished),
            None => self.lines(trace),
        }
    }

    fn lines(&mut self, trace: &mut Trace) -> String {
        let mut out = String::new();
        // The step shown last goes on first, so that steps are not torn apart without need.
        let mut order: Vec<usize> = (0..trace.vertices.len()).collect();
        order.sort_by_key(|i| Some(&trace.vertices[*i].digest) != self.current.as_ref());
        for i in order {
            let v = &mut trace.vertices[i];
            if !v.fresh || v.started.is_none() {
                continue;
            }
            let switching = self.current.as_ref().is_some_and(|c| *c != v.digest);
            if switching {
                let index = self.current.as_ref().and_then(|c| {
                    trace
                        .vertices
                        .iter()
                        .find(|v| v.digest == *c)
                        .map(|v| v.index)
                });
                if let Some(n) = index {
                    let _ = writeln!(out, "#{n} ...");
                }
            }
            let v = &mut trace.vertices[i];
            self.vertex(&mut out, v);
        }
        out
    }

    fn vertex(&mut self, out: &mut String, v: &mut Vertex) {
        if v.told {
            v.fresh = false;
            return;
        }
        if v.index == 0 {
            self.next += 1;
            v.index = self.next;
        }
        let n = v.index;
        if self.current.as_ref() != Some(&v.digest) {
            if self.not_first {
                out.push('\n');
            }
            self.not_first = true;
            let _ = writeln!(out, "#{n} {}", limit(&v.name, 72));
        }
        let mut open = false;
        for s in &mut v.statuses {
            open |= s.completed.is_none();
            if !std::mem::take(&mut s.fresh) {
                continue;
            }
            let mut text = status_text(s);
            if let Some(started) = s.started {
                let t = seconds(started, s.completed.unwrap_or(s.timestamp));
                if t > 0.01 {
                    let _ = write!(text, " {t:.1}s");
                }
            }
            if s.completed.is_some() {
                text.push_str(" done");
            }
            let _ = writeln!(out, "#{n} {text}");
        }
        for l in v.logs.drain(..) {
            let _ = writeln!(out, "#{n} {l}");
        }
        self.current = Some(v.digest.clone());
        if let (Some(end), false) = (v.completed, open && v.error.is_empty()) {
            if !v.partial.is_empty() {
                let line = std::mem::take(&mut v.partial);
                let _ = writeln!(out, "#{n} {line}");
                v.tail.push(line);
            }
            self.current = None;
            v.told = true;
            if v.error.ends_with("context canceled") {
                let _ = writeln!(out, "#{n} CANCELED");
            } else if !v.error.is_empty() {
                let _ = writeln!(out, "#{n} ERROR: {}", v.error);
            } else if v.cached {
                let _ = writeln!(out, "#{n} CACHED");
            } else {
                let t = v.started.map_or(0.0, |s| seconds(s, end));
                let _ = writeln!(out, "#{n} DONE {t:.1}s");
            }
        }
        v.fresh = false;
    }
}

/// A line of a frame: text to the left, time to the right, and its colour.
struct Line {
    left: String,
    right: String,
    colour: &'static str,
}

const DONE: &str = "\x1b[34m";
const FAILED: &str = "\x1b[31m";
const CANCELED: &str = "\x1b[33m";

impl Terminal {
    fn frame(&mut self, trace: &mut Trace, started: Time, now: Time, finished: bool) -> String {
        let shown: Vec<&Vertex> = trace
            .vertices
            .iter()
            .filter(|v| v.started.is_some())
            .collect();
        let done = trace
            .vertices
            .iter()
            .filter(|v| v.completed.is_some())
            .count();
        let mut lines: Vec<Line> = Vec::new();
        for v in shown {
            lines.extend(self.vertex(v, now));
        }
        // What does not fit is left out from above; what happens is below.
        let room = self.height.saturating_sub(2);
        if !finished && lines.len() > room {
            lines.drain(..lines.len() - room);
        }
        let head = format!(
            "[+] Building {:.1}s ({done}/{}){}",
            seconds(started, now),
            trace.vertices.len(),
            if finished { " FINISHED" } else { "" }
        );
        const NODE: &str = "docker:default";
        let gap = self.width.saturating_sub(head.chars().count() + NODE.len());
        let mut out = String::new();
        if self.lines > 0 {
            let _ = write!(out, "\x1b[{}A", self.lines);
        }
        out.push_str("\r\x1b[?25l");
        let _ = writeln!(out, "{head}{}{NODE}\x1b[K", " ".repeat(gap));
        let count = lines.len() + 1;
        for l in &lines {
            let room = self.width.saturating_sub(l.right.len() + 1);
            let left = cut(&l.left, room);
            let gap = self
                .width
                .saturating_sub(left.chars().count() + l.right.len());
            let reset = if l.colour.is_empty() { "" } else { "\x1b[0m" };
            let _ = writeln!(
                out,
                "{}{left}{}{}{reset}\x1b[K",
                l.colour,
                " ".repeat(gap),
                l.right
            );
        }
        // A shorter frame leaves nothing of the longer one before.
        for _ in count..self.lines {
            out.push_str("\x1b[K\n");
        }
        if self.lines > count {
            let _ = write!(out, "\x1b[{}A", self.lines - count);
        }
        self.lines = count;
        out.push_str("\x1b[?25h");
        out
    }

    fn vertex(&self, v: &Vertex, now: Time) -> Vec<Line> {
        let time = |from: Option<Time>, to: Option<Time>| match from {
            Some(f) => format!("{:.1}s", seconds(f, to.unwrap_or(now))),
            None => String::new(),
        };
        let canceled = v.error.ends_with("context canceled");
        let (prefix, colour) = match (v.completed, v.error.as_str()) {
            (None, "") => ("", ""),
            (_, "") if v.cached => ("CACHED ", DONE),
            (_, "") => ("", DONE),
            _ if canceled => ("CANCELED ", CANCELED),
            _ => ("ERROR ", FAILED),
        };
        let mut out = vec![Line {
            left: format!(" => {prefix}{}", v.name),
            right: time(v.started, v.completed),
            colour,
        }];
        for s in &v.statuses {
            out.push(Line {
                left: format!(" => => {}", status_text(s)),
                right: time(s.started, s.completed),
                colour: if s.completed.is_some() { DONE } else { "" },
            });
        }
        if v.completed.is_none() {
            let from = v.tail.len().saturating_sub(6);
            for l in &v.tail[from..] {
                // Without the time that plain output shows.
                let text = l.split_once(' ').map_or(l.as_str(), |(_, t)| t);
                out.push(Line {
                    left: format!(" => => # {}", text.replace(char::is_control, " ")),
                    right: String::new(),
                    colour: "",
                });
            }
        }
        out
    }
}

fn cut(s: &str, max: usize) -> String {
    if s.chars().count() <= max {
        return s.to_string();
    }
    let mut out: String = s.chars().take(max.saturating_sub(2)).collect();
    out.push_str("..");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn doc(n: u32, name: &str, done: bool) -> serde_json::Value {
        let mut v = json!({"digest": format!("sha256:{n}"), "name": name, "started": "2026-11-24T10:00:00Z"});
        if done {
            v["completed"] = "2026-11-24T10:00:00.4Z".into();
        }
        v
    }

    #[test]
    fn plain_as_buildkit_prints_it() {
        let mut t = Trace::default();
        let mut p = Progress::plain(0);
        let mut out = String::new();
        t.update(&json!({"vertexes": [doc(1, "[1/2] FROM x", false)], "logs": [
            {"vertex": "sha256:1", "data": "aGkKcGFydA==", "timestamp": "2026-11-24T10:00:00.303Z"}]}));
        out += &p.show(&mut t, 0, false);
        t.update(&json!({"vertexes": [doc(2, "[2/2] RUN y", false)]}));
        out += &p.show(&mut t, 0, false);
        let mut failed = doc(2, "[2/2] RUN y", true);
        failed["error"] = "boom".into();
        t.update(&json!({"vertexes": [doc(1, "[1/2] FROM x", true), failed]}));
        out += &p.show(&mut t, 0, true);
        assert_eq!(
            out,
            "#1 [1/2] FROM x\n#1 0.303 hi\n#1 ...\n\n#2 [2/2] RUN y\n#2 ERROR: boom\n\n#1 [1/2] FROM x\n#1 0.303 part\n#1 DONE 0.4s\n"
        );
        assert_eq!(t.error_summary(), "------\n > [2/2] RUN y:\n------\n");
    }

    #[test]
    fn frames_fit_the_terminal() {
        let mut t = Trace::default();
        t.update(&json!({"vertexes": [doc(1, &"x".repeat(200), false)]}));
        let mut p = Progress::terminal(0, 40, 10);
        for line in p.show(&mut t, 1_000_000_000, false).lines() {
            let text = line
                .replace("\x1b[K", "")
                .replace("\r\x1b[?25l", "")
                .replace("\x1b[?25h", "");
            assert!(text.chars().count() <= 40, "{text:?}");
        }
    }
}
