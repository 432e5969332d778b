//! Attaching to streams: the client's side of a hijacked connection.

use std::rc::Rc;

use bytes::Bytes;

use super::streams::Streams;
use crate::api::{ApiError, Duplex, duplex};
use crate::engine::Engine;
use crate::pipe::CAPACITY;

/// What a client wants of the streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachOptions {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// A terminal: end of input does not close the container's.
    pub tty: bool,
    /// Whether output comes in stdcopy's frames.
    pub framed: bool,
    /// Whether end of the client's input is end of the process' input.
    pub close_stdin: bool,
    /// Bytes that detach; none without a terminal.
    pub detach_keys: Vec<u8>,
}

/// Connects a client. Returns its side of the connection.
pub fn attach(engine: &Engine, streams: &Rc<Streams>, options: AttachOptions) -> Duplex {
    let (client, server) = duplex(CAPACITY);
    let Duplex { mut reader, writer } = server;
    let ended = streams.subscribe(writer, options.stdout, options.stderr, options.framed);
    let streams = streams.clone();
    engine.executor().spawn(async move {
        let input = async {
            if !options.stdin {
                return futures::future::pending().await;
            }
            let mut keys = DetachKeys::new(options.detach_keys);
            while let Some(Ok(data)) = reader.read().await {
                let (data, detached) = keys.filter(&data);
                if !data.is_empty() && streams.write_stdin(data).await.is_err() {
                    break;
                }
                if detached {
                    return;
                }
            }
            if options.close_stdin && !options.tty {
                streams.close_stdin().await;
            }
            // Output goes on after the input ended.
            futures::future::pending().await
        };
        drop(futures::future::select(std::pin::pin!(input), ended).await);
        streams.forget_detached();
    });
    client
}

/// Looks for the detach sequence in what a client types.
struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

impl DetachKeys {
    fn new(keys: Vec<u8>) -> Self {
        DetachKeys { keys, matched: 0 }
    }

    /// What is passed on, and whether the client detaches.
    fn filter(&mut self, data: &Bytes) -> (Bytes, bool) {
        if self.keys.is_empty() {
            return (data.clone(), false);
        }
        let mut passed = Vec::with_capacity(data.len());
        for &byte in data {
            if self.keys.get(self.matched) == Some(&byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (passed.into(), true);
                }
                continue;
            }
            passed.extend_from_slice(self.keys.get(..self.matched).unwrap_or_default());
            self.matched = 0;
            passed.push(byte);
        }
        (passed.into(), false)
    }
}

/// `ctrl-p,ctrl-q` as bytes; empty is Docker's default.
pub fn parse_detach_keys(text: &str) -> Result<Vec<u8>, ApiError> {
    if text.is_empty() {
        return Ok(vec![16, 17]);
    }
    let unknown = |key: &str| {
        ApiError::invalid(format!(
            "Invalid detach keys ({text}) provided: Unknown character: '{key}'"
        ))
    };
    let byte = |key: &str| match key.as_bytes() {
        [single] => Some(*single),
        [b'c', b't', b'r', b'l', b'-', control] => match control {
            b'a'..=b'z' => Some(control - b'a' + 1),
            b'@' => Some(0),
            b'[' => Some(27),
            b'\\' => Some(28),
            b']' => Some(29),
            b'^' => Some(30),
            b'_' => Some(31),
            _ => None,
        },
        _ => None,
    };
    text.split(',')
        .map(|key| byte(key).ok_or_else(|| unknown(key)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_are_read_as_docker_reads_them() {
        assert_eq!(parse_detach_keys(""), Ok(vec![16, 17]));
        assert_eq!(parse_detach_keys("ctrl-a,x"), Ok(vec![1, b'x']));
        assert!(parse_detach_keys("ctrl-1").is_err());
    }

    #[test]
    fn the_sequence_is_found_across_pieces_and_anything_else_passes() {
        let mut keys = DetachKeys::new(vec![16, 17]);
        assert_eq!(
            keys.filter(&Bytes::from_static(b"ab\x10")),
            (Bytes::from_static(b"ab"), false)
        );
        assert_eq!(
            keys.filter(&Bytes::from_static(b"c")),
            (Bytes::from_static(b"\x10c"), false)
        );
        assert_eq!(
            keys.filter(&Bytes::from_static(b"\x10\x11rest")),
            (Bytes::new(), true)
        );
    }
}
