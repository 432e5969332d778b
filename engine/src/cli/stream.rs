//! Attached streams: hijacked connections, raw terminals, detach keys, resizing, signals.

use super::client::{ApiFailure, refusal};
use super::prelude::*;
use crate::api::stdcopy::{Demux, StdStream};
use crate::pipe::{Duplex, PipeReader, PipeWriter};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Either, select};
use std::pin::pin;

/// What to do with a hijacked connection.
pub struct Attachment<'a> {
    /// Whether the stream is a terminal's, and so not framed.
    pub tty: bool,
    /// Whether standard input goes there.
    pub stdin: bool,
    /// Whether standard output is shown.
    pub stdout: bool,
    /// Whether standard error is shown.
    pub stderr: bool,
    /// The detach sequence, empty for none.
    pub detach: Vec<u8>,
    /// Where sizes and signals go.
    pub target: Target<'a>,
    /// Whether signals are sent on.
    pub sig_proxy: bool,
}

/// Whose terminal it is.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    Container(&'a str),
    Exec(&'a str),
}

/// How an attachment ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The output ended.
    Output,
    /// The detach sequence was typed.
    Detached,
}

/// Parses `ctrl-p,ctrl-q`.
pub fn parse_keys(s: &str) -> Result<Vec<u8>, String> {
    s.split(',')
        .map(|k| {
            let bytes = k.as_bytes();
            match bytes {
                [one] => Ok(*one),
                _ => {
                    let key = k.strip_prefix("ctrl-").map(str::as_bytes);
                    match key {
                        Some([c @ (b'a'..=b'z')]) => Ok(c - b'a' + 1),
                        Some(b"@") => Ok(0),
                        Some(b"[") => Ok(27),
                        Some(b"\\") => Ok(28),
                        Some(b"]") => Ok(29),
                        Some(b"^") => Ok(30),
                        Some(b"_") => Ok(31),
                        _ => Err(format!("Unknown character: '{k}'")),
                    }
                }
            }
        })
        .collect()
}

/// Holds back a detach sequence that is being typed.
struct Escape {
    keys: Vec<u8>,
    matched: usize,
}

impl Escape {
    /// What may be sent on; `true` when the sequence is complete.
    fn filter(&mut self, data: &[u8]) -> (Vec<u8>, bool) {
        if self.keys.is_empty() {
            return (data.to_vec(), false);
        }
        let mut out = Vec::with_capacity(data.len());
        for b in data {
            if self.keys.get(self.matched) == Some(b) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (out, true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(self.keys.first() == Some(b));
            if self.matched == 0 {
                out.push(*b);
            }
        }
        (out, false)
    }
}

impl Cli<'_> {
    /// Sends a request that takes over the connection.
    pub async fn hijack(&self, request: Request) -> Result<Duplex, ApiFailure> {
        let r = self.send(request.upgrade()).await?;
        match r.body {
            Body::Upgrade(d) => Ok(d),
            body => Err(refusal(Response { body, ..r }).await),
        }
    }

    /// The detach sequence: the flag's, the configuration's, or `ctrl-p,ctrl-q`.
    pub async fn detach_keys(&self, flag: &str) -> Result<Vec<u8>, Failure> {
        let keys = if flag.is_empty() {
            self.load_config().await.text("detachKeys").to_string()
        } else {
            flag.to_string()
        };
        if keys.is_empty() {
            return Ok(vec![16, 17]);
        }
        // The daemon refuses what can't be read.
        Ok(parse_keys(&keys).unwrap_or_else(|_| vec![16, 17]))
    }

    /// Docker's check before a terminal is asked for.
    pub fn check_tty(&self, stdin: bool, tty: bool) -> Result<(), Failure> {
        if tty && stdin && !self.host.is_tty(Stream::Stdin) {
            return Err(Failure::new("the input device is not a TTY"));
        }
        Ok(())
    }

    /// Copies between the terminal and the connection until one of them ends.
    pub async fn attach(&self, duplex: Duplex, a: Attachment<'_>) -> Result<Ended, Failure> {
        let raw = a.tty && a.stdin && self.host.is_tty(Stream::Stdin);
        if raw {
            let _ = self.host.set_raw(true);
        }
        let ended = self.copy(duplex, &a).await;
        if raw {
            let _ = self.host.set_raw(false);
        }
        ended
    }

    async fn copy(&self, duplex: Duplex, a: &Attachment<'_>) -> Result<Ended, Failure> {
        let Duplex { reader, writer } = duplex;
        let output = pin!(self.copy_output(reader, a).fuse());
        let input = pin!(
            async {
                if a.stdin {
                    self.copy_input(writer, a).await
                } else {
                    // Keeps the connection open for writing until the output ends.
                    let _writer = writer;
                    futures::future::pending().await
                }
            }
            .fuse()
        );
        let signals = pin!(self.follow_signals(a).fuse());
        let (mut output, mut input, mut signals) = (output, input, signals);
        loop {
            let next = futures::select_biased! {
                r = output => Some(r.map(|()| Ended::Output)),
                detached = input => if detached { Some(Ok(Ended::Detached)) } else { None },
                () = signals => None,
            };
            if let Some(r) = next {
                return r;
            }
        }
    }

    async fn copy_output(&self, mut reader: PipeReader, a: &Attachment<'_>) -> Result<(), Failure> {
        if a.tty {
            while let Some(chunk) = reader.read().await {
                let chunk = chunk.map_err(|e| Failure::new(e.to_string()))?;
                self.out_bytes(&chunk).await;
            }
            return Ok(());
        }
        let mut demux = Demux::default();
        while let Some(chunk) = reader.read().await {
            let chunk = chunk.map_err(|e| Failure::new(e.to_string()))?;
            self.show_frames(&mut demux, &chunk, a.stdout, a.stderr)
                .await?;
        }
        Ok(())
    }

    /// Shows the complete frames of a multiplexed stream.
    pub async fn show_frames(
        &self,
        demux: &mut Demux,
        chunk: &[u8],
        stdout: bool,
        stderr: bool,
    ) -> Result<(), Failure> {
        for (stream, data) in demux.push(chunk).map_err(|e| Failure::new(e.to_string()))? {
            match stream {
                StdStream::Stdin | StdStream::Stdout if stdout => self.out_bytes(&data).await,
                StdStream::Stderr if stderr => {
                    let _ = self.host.write(Stream::Stderr, &data).await;
                }
                StdStream::SystemErr => {
                    return Err(Failure::new(format!(
                        "error from daemon in stream: {}",
                        String::from_utf8_lossy(&data)
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Copies standard input until its end (`false`) or the detach sequence (`true`).
    async fn copy_input(&self, mut writer: PipeWriter, a: &Attachment<'_>) -> bool {
        let mut escape = Escape {
            keys: if a.tty { a.detach.clone() } else { Vec::new() },
            matched: 0,
        };
        loop {
            let data = self.host.read_stdin(32 * 1024).await.unwrap_or_default();
            if data.is_empty() {
                writer.close();
                return false;
            }
            let (data, detached) = escape.filter(&data);
            if !data.is_empty() && writer.write(Bytes::from(data)).await.is_err() {
                return false;
            }
            if detached {
                return true;
            }
        }
    }

    /// Sends the terminal's size, and then each change of it; sends signals on. Ends when there is nothing to do.
    async fn follow_signals(&self, a: &Attachment<'_>) {
        let resize = a.tty && self.host.is_tty(Stream::Stdout);
        if !resize && (!a.sig_proxy || a.tty) {
            return;
        }
        loop {
            let signal = self.host.next_signal().await;
            match (signal, a.target) {
                (28, _) if resize => self.resize(a.target).await,
                // SIGCHLD, SIGPIPE, SIGURG and the like are this process' own.
                (13 | 17 | 23 | 28, _) => {}
                (n, Target::Container(id)) if a.sig_proxy && !a.tty => {
                    let params = Params::new().add("signal", n.to_string());
                    let _ = self
                        .post(
                            format!("/containers/{}/kill{params}", segment(id)),
                            &J::Null,
                        )
                        .await;
                }
                _ => {}
            }
        }
    }

    /// Tells the daemon the terminal's size.
    pub async fn resize(&self, target: Target<'_>) {
        let Some((columns, rows)) = self.host.winsize(Stream::Stdout) else {
            return;
        };
        if columns == 0 && rows == 0 {
            return;
        }
        let params = Params::new()
            .add("h", rows.to_string())
            .add("w", columns.to_string());
        let path = match target {
            Target::Container(id) => format!("/containers/{}/resize{params}", segment(id)),
            Target::Exec(id) => format!("/exec/{}/resize{params}", segment(id)),
        };
        let _ = self.post(path, &J::Null).await;
    }

    /// Runs `work` until it ends or a terminating signal comes, whose number it then gives.
    pub async fn until_signal<T>(&self, work: impl Future<Output = T>) -> Result<T, i32> {
        let work = pin!(work);
        let signal = pin!(async {
            loop {
                let n = self.host.next_signal().await;
                if matches!(n, 1 | 2 | 3 | 15) {
                    return n;
                }
            }
        });
        match select(work, signal).await {
            Either::Left((v, _)) => Ok(v),
            Either::Right((n, _)) => Err(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_parse() {
        assert_eq!(parse_keys("ctrl-p,ctrl-q"), Ok(vec![16, 17]));
        assert_eq!(parse_keys("a,ctrl-@"), Ok(vec![97, 0]));
        assert!(parse_keys("foo").is_err());
    }

    #[test]
    fn a_broken_sequence_is_sent_on() {
        let mut e = Escape {
            keys: vec![16, 17],
            matched: 0,
        };
        assert_eq!(e.filter(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(e.filter(b"c\x10\x10"), (b"\x10c\x10".to_vec(), false));
        assert_eq!(e.filter(b"\x11z"), (vec![], true));
    }
}
