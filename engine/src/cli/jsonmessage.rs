//! The progress streams of pull, push, load, import and the classic build (moby's jsonmessage).

use super::prelude::*;
use crate::cli::units::human_size;
use futures::StreamExt;
use futures::stream::LocalBoxStream;
use std::collections::HashMap;
use std::fmt::Write;

/// The most one document of a stream may hold.
const MAX_DOCUMENT: usize = 16 << 20;

/// JSON documents from a body, one after the other.
pub struct Documents {
    stream: LocalBoxStream<'static, Result<bytes::Bytes, crate::pipe::BodyError>>,
    buffer: Vec<u8>,
    ended: bool,
}

impl Documents {
    /// The documents of a response.
    pub fn new(response: Response) -> Documents {
        Documents {
            stream: response.body.into_stream(),
            buffer: Vec::new(),
            ended: false,
        }
    }

    /// The next document, `None` at the end.
    pub async fn next(&mut self) -> Result<Option<J>, Failure> {
        loop {
            let mut parsed = serde_json::Deserializer::from_slice(&self.buffer).into_iter::<J>();
            match parsed.next() {
                Some(Ok(v)) => {
                    let used = parsed.byte_offset();
                    self.buffer.drain(..used);
                    return Ok(Some(v));
                }
                Some(Err(e)) if !e.is_eof() => {
                    return Err(Failure::new(format!(
                        "invalid JSON in the daemon's stream: {e}"
                    )));
                }
                Some(Err(_)) if self.ended => return Err(Failure::new("unexpected EOF")),
                None if self.ended => return Ok(None),
                _ => {}
            }
            if self.buffer.len() > MAX_DOCUMENT {
                return Err(Failure::new(
                    "a document in the daemon's stream is too large",
                ));
            }
            match self.stream.next().await {
                Some(Ok(chunk)) => self.buffer.extend_from_slice(&chunk),
                Some(Err(e)) => return Err(Failure::new(e.to_string())),
                None => self.ended = true,
            }
        }
    }
}

/// Where messages are shown.
pub struct Display {
    /// Whether cursor movement works there.
    pub terminal: bool,
    /// The terminal's columns.
    pub width: usize,
    lines: HashMap<String, usize>,
}

impl Display {
    /// For a stream of this process.
    pub fn new(cli: &Cli<'_>, stream: Stream) -> Display {
        Display {
            terminal: cli.host.is_tty(stream),
            width: cli
                .host
                .winsize(stream)
                .map_or(200, |(c, _)| usize::from(c)),
            lines: HashMap::new(),
        }
    }

    /// What to write for a message; the daemon's error ends the stream.
    pub fn message(&mut self, m: &J) -> Result<String, Failure> {
        let mut out = String::new();
        let (id, progress) = (m.text("id"), m.at("progressDetail"));
        let has_progress = progress.is_object() || !m.text("progress").is_empty();
        let mut diff = 0;
        if !id.is_empty() && has_progress {
            let count = self.lines.len();
            let line = match self.lines.get(id) {
                Some(l) => *l,
                None => {
                    self.lines.insert(id.to_string(), count);
                    if self.terminal {
                        out.push('\n');
                    }
                    count
                }
            };
            diff = self.lines.len() - line;
            if self.terminal {
                let _ = write!(out, "\x1b[{diff}A");
            }
        } else {
            self.lines.clear();
        }
        let result = self.one(&mut out, m, has_progress);
        if !id.is_empty() && self.terminal && diff > 0 {
            let _ = write!(out, "\x1b[{diff}B");
        }
        result.map(|()| out)
    }

    fn one(&self, out: &mut String, m: &J, has_progress: bool) -> Result<(), Failure> {
        let error = m.at("errorDetail");
        if error.is_object() || !m.text("error").is_empty() {
            let code = error.num("code");
            if code == 401 {
                return Err(Failure::new("authentication is required"));
            }
            let text = match error.text("message") {
                "" => m.text("error"),
                t => t,
            };
            let code = i32::try_from(code)
                .ok()
                .filter(|c| (1..=255).contains(c))
                .unwrap_or(1);
            return Err(Failure::new(text).with_code(code));
        }
        let bar = self.bar(m.at("progressDetail"));
        let stream = m.text("stream");
        let mut end = "";
        if self.terminal && stream.is_empty() && has_progress {
            out.push_str("\x1b[2K\r");
            end = "\r";
        } else if !bar.is_empty() {
            // Progress is for terminals alone.
            return Ok(());
        }
        if !m.text("id").is_empty() {
            let _ = write!(out, "{}: ", m.text("id"));
        }
        if !m.text("from").is_empty() {
            let _ = write!(out, "(from {}) ", m.text("from"));
        }
        if has_progress && self.terminal {
            let _ = write!(out, "{} {bar}{end}", m.text("status"));
        } else if !stream.is_empty() {
            let _ = write!(out, "{stream}{end}");
        } else {
            let _ = writeln!(out, "{}{end}", m.text("status"));
        }
        Ok(())
    }

    fn bar(&self, p: &J) -> String {
        let (current, total) = (p.num("current"), p.num("total"));
        if current <= 0 && total <= 0 {
            return String::new();
        }
        let units = p.text("units");
        let human = |n: i64| human_size(n as f64, 4);
        if total <= 0 {
            return if units.is_empty() {
                format!("{:>8}", human(current))
            } else {
                format!("{current} {units}")
            };
        }
        let filled = ((current as f64 / total as f64 * 100.0) as usize / 2).min(50);
        let mut out = String::new();
        if self.width > 110 {
            let _ = write!(out, "[{}>{}] ", "=".repeat(filled), " ".repeat(50 - filled));
        }
        if !p.flag("hidecounts") {
            if !units.is_empty() {
                let _ = write!(out, "{current}/{total} {units}");
            } else if current > total {
                let _ = write!(out, "{:>8}", human(current));
            } else {
                let _ = write!(out, "{:>8}/{}", human(current), human(total));
            }
        }
        out
    }
}

impl Cli<'_> {
    /// Shows a progress stream on `stream`; `aux` gets the documents meant for the program.
    pub async fn show_progress(
        &self,
        response: Response,
        stream: Stream,
        mut aux: impl FnMut(&J),
    ) -> Result<(), Failure> {
        let mut documents = Documents::new(response);
        let mut display = Display::new(self, stream);
        while let Some(m) = documents.next().await? {
            if !m.at("aux").is_null() {
                aux(m.at("aux"));
                continue;
            }
            let text = display.message(&m)?;
            let _ = self.host.write(stream, text.as_bytes()).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(terminal: bool, messages: &[&str]) -> String {
        let mut d = Display {
            terminal,
            width: 80,
            lines: HashMap::new(),
        };
        messages
            .iter()
            .map(|m| match d.message(&serde_json::from_str(m).unwrap()) {
                Ok(s) => s,
                Err(f) => format!("!{}", f.text),
            })
            .collect()
    }

    #[test]
    fn plain_and_terminal() {
        let messages = [
            r#"{"status":"Pulling from library/busybox","id":"latest"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"aaa"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"bbb"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":512,"total":1024},"id":"aaa"}"#,
            r#"{"status":"Digest: sha256:x"}"#,
            r#"{"errorDetail":{"message":"boom"},"error":"boom"}"#,
        ];
        assert_eq!(
            show(false, &messages),
            "latest: Pulling from library/busybox\naaa: Pulling fs layer\nbbb: Pulling fs layer\nDigest: sha256:x\n!boom"
        );
        assert_eq!(
            show(true, &messages[..4]),
            "latest: Pulling from library/busybox\n\
             \n\x1b[1A\x1b[2K\raaa: Pulling fs layer \r\x1b[1B\
             \n\x1b[1A\x1b[2K\rbbb: Pulling fs layer \r\x1b[1B\
             \x1b[2A\x1b[2K\raaa: Downloading     512B/1.024kB\r\x1b[2B"
        );
    }
}
