//! Container logs: lines with stream and time, bounded by the driver's options
//! and the engine's limit, followed by readers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::api::ApiError;
use crate::api::stdcopy::StdStream;
use crate::api::types::{ContainerConfig, LogConfig, StringMap, Timestamp};

/// A line is cut here, as moby's copier does.
const MAX_LINE: usize = 16 * 1024;

/// One message: a line with its line feed, or a piece of one without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub stream: StdStream,
    pub time: Timestamp,
    pub line: Bytes,
}

/// An entry as json-file writes it.
#[derive(Serialize, Deserialize)]
struct JsonEntry<'a> {
    log: std::borrow::Cow<'a, str>,
    stream: &'a str,
    time: Timestamp,
}

impl Entry {
    /// Bytes of the entry in a json-file log, which is what `max-size` counts.
    fn size(&self) -> u64 {
        self.line.len() as u64 + 75
    }

    fn stream_name(&self) -> &'static str {
        if self.stream == StdStream::Stderr {
            "stderr"
        } else {
            "stdout"
        }
    }
}

/// How a driver keeps messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    /// Bytes of a file.
    max_size: u64,
    /// Files.
    max_file: u64,
}

#[derive(Default)]
struct Partial {
    stdout: BytesMut,
    stderr: BytesMut,
}

/// A container's log.
pub struct Log {
    readable: bool,
    kept: bool,
    limits: Limits,
    entries: RefCell<VecDeque<Entry>>,
    /// Sequence number of the first kept entry.
    first: Cell<u64>,
    bytes: Cell<u64>,
    partial: RefCell<Partial>,
    followers: RefCell<Vec<Waker>>,
    /// Sequence number up to which entries are stored durably.
    pub stored: Cell<u64>,
}

impl Log {
    /// A log for this driver configuration; `limit` is the engine's bound in bytes.
    pub fn new(config: &LogConfig, limit: u64) -> Self {
        let option = |name: &str| config.config.as_ref().and_then(|c: &StringMap| c.get(name));
        let max_size = option("max-size")
            .and_then(|text| parse_size(text))
            .unwrap_or(limit)
            .clamp(1, limit);
        let max_file = option("max-file")
            .and_then(|text| text.parse().ok())
            .unwrap_or(1)
            .max(1);
        Log {
            readable: config.driver != "none",
            kept: config.driver != "none",
            limits: Limits {
                max_size,
                max_file: max_file.min(limit / max_size).max(1),
            },
            entries: RefCell::default(),
            first: Cell::new(0),
            bytes: Cell::new(0),
            partial: RefCell::default(),
            followers: RefCell::default(),
            stored: Cell::new(0),
        }
    }

    /// Fails for a driver that cannot be read.
    pub fn check_readable(&self) -> Result<(), ApiError> {
        if self.readable {
            return Ok(());
        }
        Err(ApiError::not_implemented(
            "configured logging driver does not support reading",
        ))
    }

    /// Adds output, cutting it into lines.
    pub fn write(&self, stream: StdStream, data: &[u8], now: Timestamp) {
        if !self.kept {
            return;
        }
        let mut lines = Vec::new();
        {
            let mut partial = self.partial.borrow_mut();
            let buffer = if stream == StdStream::Stderr {
                &mut partial.stderr
            } else {
                &mut partial.stdout
            };
            buffer.extend_from_slice(data);
            loop {
                let end = buffer
                    .iter()
                    .take(MAX_LINE)
                    .position(|&b| b == b'\n')
                    .map(|at| at + 1);
                match end.or((buffer.len() >= MAX_LINE).then_some(MAX_LINE)) {
                    Some(end) => lines.push(buffer.split_to(end).freeze()),
                    None => break,
                }
            }
        }
        for line in lines {
            self.append(Entry {
                stream,
                time: now,
                line,
            });
        }
        self.wake();
    }

    /// The streams ended: what is left is a message without a line feed.
    pub fn flush(&self, now: Timestamp) {
        let partial = std::mem::take(&mut *self.partial.borrow_mut());
        for (stream, rest) in [
            (StdStream::Stdout, partial.stdout),
            (StdStream::Stderr, partial.stderr),
        ] {
            if !rest.is_empty() {
                self.append(Entry {
                    stream,
                    time: now,
                    line: rest.freeze(),
                });
            }
        }
        self.wake();
    }

    fn append(&self, entry: Entry) {
        let mut entries = self.entries.borrow_mut();
        let mut bytes = self.bytes.get() + entry.size();
        entries.push_back(entry);
        // Rotation drops whole files; the oldest goes when one more is full.
        if bytes > self.limits.max_size * self.limits.max_file {
            let keep = self.limits.max_size * (self.limits.max_file - 1);
            while bytes > keep && entries.len() > 1 {
                let Some(dropped) = entries.pop_front() else {
                    break;
                };
                bytes -= dropped.size();
                self.first.set(self.first.get() + 1);
            }
        }
        self.bytes.set(bytes);
    }

    fn wake(&self) {
        for waker in std::mem::take(&mut *self.followers.borrow_mut()) {
            waker.wake();
        }
    }

    /// The sequence number the next entry gets.
    pub fn end(&self) -> u64 {
        self.first.get() + self.entries.borrow().len() as u64
    }

    /// An entry by sequence number; older than the first kept gives the first kept.
    pub fn entry(&self, sequence: u64) -> Option<(u64, Entry)> {
        let sequence = sequence.max(self.first.get());
        let index = usize::try_from(sequence - self.first.get()).ok()?;
        self.entries
            .borrow()
            .get(index)
            .map(|entry| (sequence, entry.clone()))
    }

    /// Where to begin for the last `count` entries.
    pub fn tail(&self, count: u64) -> u64 {
        self.end().saturating_sub(count).max(self.first.get())
    }

    /// Calls the waker when something is added.
    pub fn register(&self, waker: &Waker) {
        let mut followers = self.followers.borrow_mut();
        if !followers.iter().any(|known| known.will_wake(waker)) {
            followers.push(waker.clone());
        }
    }

    /// Wakes the readers, as the container ended.
    pub fn notify(&self) {
        self.wake();
    }

    /// The entries from a sequence number on, as json-file lines.
    pub fn encode_from(&self, sequence: u64) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut next = sequence;
        while let Some((at, entry)) = self.entry(next) {
            let json = JsonEntry {
                log: String::from_utf8_lossy(&entry.line),
                stream: entry.stream_name(),
                time: entry.time,
            };
            lines.extend(serde_json::to_vec(&json).unwrap_or_default());
            lines.push(b'\n');
            next = at + 1;
        }
        lines
    }

    /// Reads json-file lines back; broken ones are skipped.
    pub fn decode(&self, lines: &[u8]) {
        for line in lines.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            let Ok(json) = serde_json::from_slice::<JsonEntry<'_>>(line) else {
                continue;
            };
            let stream = if json.stream == "stderr" {
                StdStream::Stderr
            } else {
                StdStream::Stdout
            };
            self.append(Entry {
                stream,
                time: json.time,
                line: Bytes::from(json.log.into_owned()),
            });
        }
        self.stored.set(self.end());
    }
}

/// The container's labels and environment that the driver's options `labels` and `env` name, for `--details`.
pub fn attributes(config: &LogConfig, container: &ContainerConfig) -> String {
    let option = |name: &str| config.config.as_ref().and_then(|c: &StringMap| c.get(name));
    let names = |name: &str| option(name).into_iter().flat_map(|names| names.split(','));
    let label = |key: &str| container.labels.as_ref()?.get(key).cloned();
    let variable = |key: &str| {
        let of_key =
            |variable: &String| Some(variable.strip_prefix(key)?.strip_prefix('=')?.to_owned());
        container.env.iter().flatten().find_map(of_key)
    };
    let labels = names("labels").filter_map(|key| Some((key, label(key)?)));
    let all: BTreeMap<&str, String> = labels
        .chain(names("env").filter_map(|key| Some((key, variable(key)?))))
        .collect();
    let pairs: Vec<String> = all
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join(",")
}

/// Checks the options' values, as a driver does when a container starts.
pub fn check_values(config: &LogConfig) -> Result<(), ApiError> {
    let size = config
        .config
        .iter()
        .flatten()
        .find(|(name, _)| *name == "max-size");
    match size {
        Some((_, text)) if parse_size(text).is_none() => Err(ApiError::system(format!(
            "failed to initialize logging driver: invalid size: '{text}'"
        ))),
        _ => Ok(()),
    }
}

/// Checks driver and options at create.
pub fn validate(config: &LogConfig) -> Result<(), ApiError> {
    let known: &[&str] = match config.driver.as_str() {
        "none" => &[],
        "json-file" => &[
            "max-file",
            "max-size",
            "compress",
            "labels",
            "labels-regex",
            "env",
            "env-regex",
            "tag",
            "mode",
            "max-buffer-size",
        ],
        "local" => &[
            "max-file",
            "max-size",
            "compress",
            "mode",
            "max-buffer-size",
        ],
        "awslogs" | "fluentd" | "gcplogs" | "gelf" | "journald" | "logentries" | "splunk"
        | "syslog" => {
            let message = format!(
                "logging driver {:?} is not supported here: use json-file, local or none",
                config.driver
            );
            return Err(ApiError::invalid(message));
        }
        other => {
            return Err(ApiError::invalid(format!(
                "logger: no log driver named '{other}' is registered"
            )));
        }
    };
    let options = config.config.iter().flatten();
    for (name, value) in options {
        if !known.contains(&name.as_str()) {
            return Err(ApiError::invalid(format!(
                "unknown log opt '{name}' for {} log driver",
                config.driver
            )));
        }
        if name == "max-file" && !value.parse::<u64>().is_ok_and(|n| n >= 1) {
            return Err(ApiError::invalid("max-file cannot be less than 1"));
        }
    }
    Ok(())
}

/// go-units `FromHumanSize`: `10m` is ten million bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'.')
        .count();
    let number: f64 = text.get(..digits)?.parse().ok()?;
    let scale = match text
        .get(digits..)?
        .trim()
        .trim_end_matches('b')
        .trim_end_matches('i')
    {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        _ => return None,
    };
    let bytes = number * scale;
    (1.0..1e15).contains(&bytes).then_some(bytes as u64)
}

/// What a reader of logs asks for.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    pub stdout: bool,
    pub stderr: bool,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub timestamps: bool,
    pub details: bool,
    /// What the details are: `key=value`, joined by commas.
    pub attributes: String,
    pub follow: bool,
    /// The last so many lines; `None` is all.
    pub tail: Option<u64>,
}

impl ReadOptions {
    /// Whether an entry is wanted.
    pub fn wants(&self, entry: &Entry) -> bool {
        let stream = if entry.stream == StdStream::Stderr {
            self.stderr
        } else {
            self.stdout
        };
        stream && self.since.is_none_or(|since| entry.time >= since)
    }

    /// Whether an entry is after the asked-for time.
    pub fn is_past(&self, entry: &Entry) -> bool {
        self.until.is_some_and(|until| entry.time > until)
    }

    /// The entry as it is sent.
    pub fn render(&self, entry: &Entry) -> Bytes {
        if !self.timestamps && !self.details {
            return entry.line.clone();
        }
        let mut line = Vec::with_capacity(entry.line.len() + 32);
        if self.timestamps {
            line.extend_from_slice(entry.time.fixed().as_bytes());
            line.push(b' ');
        }
        if self.details {
            line.extend_from_slice(self.attributes.as_bytes());
            line.push(b' ');
        }
        line.extend_from_slice(&entry.line);
        line.into()
    }
}

/// Shared by the container and its readers.
pub type LogRef = Rc<Log>;

#[cfg(test)]
mod tests {
    use super::*;

    fn log(options: &[(&str, &str)], limit: u64) -> Log {
        let config = options
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        Log::new(
            &LogConfig {
                driver: "json-file".into(),
                config: Some(config),
            },
            limit,
        )
    }

    fn lines(log: &Log) -> Vec<String> {
        let mut at = 0;
        let mut all = Vec::new();
        while let Some((sequence, entry)) = log.entry(at) {
            all.push(String::from_utf8_lossy(&entry.line).into_owned());
            at = sequence + 1;
        }
        all
    }

    #[test]
    fn output_is_cut_into_lines_whatever_its_pieces() {
        let log = log(&[], 1 << 20);
        log.write(StdStream::Stdout, b"one\ntw", Timestamp::EPOCH);
        log.write(StdStream::Stderr, b"oops\n", Timestamp::EPOCH);
        log.write(StdStream::Stdout, b"o\nrest", Timestamp::EPOCH);
        assert_eq!(lines(&log), ["one\n", "oops\n", "two\n"]);
        log.flush(Timestamp::EPOCH);
        assert_eq!(lines(&log), ["one\n", "oops\n", "two\n", "rest"]);
        assert_eq!(log.tail(1), 3);
        assert_eq!(log.tail(100), 0);
    }

    #[test]
    fn rotation_bounds_the_log_and_keeps_the_newest() {
        let log = log(&[("max-size", "1k"), ("max-file", "2")], 1 << 20);
        for n in 0..1000 {
            log.write(
                StdStream::Stdout,
                format!("line {n}\n").as_bytes(),
                Timestamp::EPOCH,
            );
        }
        let kept = lines(&log);
        assert!(
            log.bytes.get() <= 2000 && kept.len() > 5,
            "{} {}",
            log.bytes.get(),
            kept.len()
        );
        assert_eq!(kept.last().map(String::as_str), Some("line 999\n"));
        assert_eq!(log.end(), 1000);
    }

    #[test]
    fn long_lines_become_partial_messages() {
        let log = log(&[], 1 << 20);
        log.write(
            StdStream::Stdout,
            &vec![b'x'; MAX_LINE + 10],
            Timestamp::EPOCH,
        );
        log.flush(Timestamp::EPOCH);
        assert_eq!(
            lines(&log).iter().map(String::len).collect::<Vec<_>>(),
            [MAX_LINE, 10]
        );
    }

    #[test]
    fn a_stored_log_reads_back() {
        let first = log(&[], 1 << 20);
        first.write(
            StdStream::Stderr,
            b"a \"quoted\" line\n",
            Timestamp::from_unix(5, 6),
        );
        let again = log(&[], 1 << 20);
        again.decode(&first.encode_from(0));
        again.decode(b"broken\n");
        assert_eq!(again.entry(0), first.entry(0));
        assert_eq!(again.stored.get(), 1);
    }

    #[test]
    fn options_are_checked() {
        let check = |driver: &str, options: &[(&str, &str)]| {
            let config = options
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect();
            validate(&LogConfig {
                driver: driver.into(),
                config: Some(config),
            })
            .map_err(|e| e.message)
        };
        assert_eq!(check("json-file", &[("max-size", "10m")]), Ok(()));
        assert_eq!(
            check("json-file", &[("bogus", "1")]),
            Err("unknown log opt 'bogus' for json-file log driver".into())
        );
        assert_eq!(
            check("nosuch", &[]),
            Err("logger: no log driver named 'nosuch' is registered".into())
        );
    }

    #[test]
    fn details_are_the_labels_and_variables_that_options_name() {
        let options = [("labels", "l,nosuch"), ("env", "E")];
        let config = LogConfig {
            driver: "json-file".into(),
            config: Some(options.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        };
        let container = ContainerConfig {
            labels: Some([("l".to_owned(), "x".to_owned())].into()),
            env: Some(vec!["EE=1".into(), "E=z".into()]),
            ..ContainerConfig::default()
        };
        assert_eq!(attributes(&config, &container), "E=z,l=x");
    }
}
