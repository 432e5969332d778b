//! Attaching over a WebSocket: messages are the stream's bytes, without frames of Docker's own.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::header::{self, HeaderMap, HeaderValue};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use super::thread::Chunk;

/// Bytes of a client's message at most.
const MESSAGE_LIMIT: usize = 1 << 20;

/// A client's opening handshake (RFC 6455, 4.2).
pub struct Handshake {
    accept: String,
}

impl Handshake {
    /// The handshake of a request, if it is one.
    ///
    /// # Errors
    /// Why it is a broken one.
    pub fn of(headers: &HeaderMap) -> Result<Option<Handshake>, &'static str> {
        let is = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
        if !headers.get(header::UPGRADE).is_some_and(is) {
            return Ok(None);
        }
        if headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .is_none_or(|version| version != "13")
        {
            return Err("only version 13 of the WebSocket protocol is spoken");
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let key = key.filter(|key| key.len() == 24);
        let key = key.ok_or("the WebSocket key is missing or broken")?;
        Ok(Some(Handshake {
            accept: derive_accept_key(key.as_bytes()),
        }))
    }

    /// Adds what accepts it to an answer's head.
    pub fn answer(self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
    }
}

/// Connects an upgraded connection with the engine.
pub async fn splice(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    mut out: mpsc::Receiver<Chunk>,
    input: mpsc::Sender<Bytes>,
) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT));
    let socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let inward = async move {
        // A client that breaks the protocol is cut off.
        while let Some(Ok(message)) = stream.next().await {
            let data = match message {
                Message::Binary(data) => data,
                Message::Text(text) => text.into(),
                Message::Close(_) => return,
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            if input.send(data).await.is_err() {
                return;
            }
        }
    };
    let outward = async move {
        while let Some(Ok(chunk)) = out.recv().await {
            if sink.send(Message::Binary(chunk)).await.is_err() {
                return;
            }
        }
        let _ = sink.close().await;
    };
    // Who closes a WebSocket does not want to hear the rest.
    tokio::select! { () = outward => {}, () = inward => {} }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(fields: &[(&'static str, &str)]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().unwrap());
        }
        Handshake::of(&headers).map(|handshake| handshake.map(|h| h.accept))
    }

    #[test]
    fn handshakes_are_answered_as_the_rfc_does() {
        assert_eq!(handshake(&[]), Ok(None));
        assert_eq!(handshake(&[("upgrade", "tcp")]), Ok(None));
        let fields = [
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(
            handshake(&fields),
            Ok(Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()))
        );
        assert!(handshake(&fields[..1]).is_err());
        assert!(handshake(&fields[..2]).is_err());
    }

    /// Row W20: a client that breaks the protocol is cut off, and what it sent is never heard of.
    #[tokio::test]
    async fn broken_frames_end_the_connection() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        /// A client's frame, its mask all zeros.
        fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
            let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
            frame.extend(payload);
            frame
        }
        let huge = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
        let fragments = [frame(0x02, b""), frame(0x00, b"x").repeat(2 << 20)].concat();
        for (name, bytes) in [
            ("length 2^63", huge(1 << 63)),
            ("length 2^62", huge(1 << 62)),
            ("length above the limit", huge(MESSAGE_LIMIT as u64 + 1)),
            ("unmasked", vec![0x82, 1, b'x']),
            ("reserved bits", frame(0xf2, b"x")),
            ("compressed", frame(0xc2, b"x")),
            ("unknown opcode", frame(0x83, b"x")),
            (
                "long control frame",
                [&[0x89, 0xfe, 0, 200][..], &[0; 204]].concat(),
            ),
            ("fragmented control frame", frame(0x09, b"x")),
            ("continuation of nothing", frame(0x80, b"x")),
            ("invalid UTF-8", frame(0x81, &[0xc3, 0x28])),
            ("close with one byte", frame(0x88, b"x")),
            ("close 1005", frame(0x88, &1005u16.to_be_bytes())),
            ("fragments above the limit", fragments),
        ] {
            let (mut client, server) = tokio::io::duplex(1 << 16);
            let (_out, out) = mpsc::channel(1);
            let (input, mut heard) = mpsc::channel(1);
            let serving = tokio::spawn(splice(server, out, input));
            let sending = async move {
                // It may be cut off meanwhile.
                let _ = client.write_all(&bytes).await;
                let _ = client.flush().await;
                let mut answer = Vec::new();
                let _ = client.read_to_end(&mut answer).await;
            };
            let (ended, ()) = tokio::join!(serving, sending);
            assert!(ended.is_ok(), "{name}");
            assert!(heard.recv().await.is_none(), "{name}: it was heard");
        }
    }
}
