//! Carrying bytes between a connection and whoever has its other end: published ports, connections out of the emulated
//! machine, attached terminals, the command line's own connections.

use std::future::ready;
use std::pin::pin;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Bytes moved at a time.
const CHUNK: usize = 32 << 10;

/// What is read, until its end; an error is one.
pub fn chunks(reader: impl AsyncRead + Unpin) -> impl Stream<Item = Bytes> {
    stream::unfold(
        (reader, vec![0; CHUNK]),
        |(mut reader, mut buffer)| async move {
            match reader.read(&mut buffer).await {
                Ok(count @ 1..) => {
                    let chunk = Bytes::copy_from_slice(&buffer[..count]);
                    Some((chunk, (reader, buffer)))
                }
                _ => None,
            }
        },
    )
}

/// Hands on what is read, until its end or until nobody takes it.
pub async fn inward(reader: impl AsyncRead + Unpin, to: mpsc::Sender<Bytes>) {
    let mut chunks = pin!(chunks(reader));
    loop {
        let chunk = tokio::select! {
            chunk = chunks.next() => chunk,
            // Whoever took it is gone: that the peer says nothing keeps no connection.
            () = to.closed() => None,
        };
        let Some(chunk) = chunk else { return };
        if to.send(chunk).await.is_err() {
            return;
        }
    }
}

/// Writes what there is, until there is no more, and ends the writing then; or until the other side is gone.
pub async fn outward(mut writer: impl AsyncWrite + Unpin, chunks: impl Stream<Item = Bytes>) {
    let mut chunks = pin!(chunks);
    while let Some(chunk) = chunks.next().await {
        if writer.write_all(&chunk).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

/// What a channel brings.
pub fn received<T>(mut channel: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    stream::poll_fn(move |context| channel.poll_recv(context))
}

/// What comes before the first error.
pub fn good<T, E>(chunks: impl Stream<Item = Result<T, E>>) -> impl Stream<Item = T> {
    chunks
        .take_while(|chunk| ready(chunk.is_ok()))
        .filter_map(|chunk| ready(chunk.ok()))
}

/// Carries both ways between a connection and channels, each direction until its own end.
pub async fn carry(
    connection: impl AsyncRead + AsyncWrite,
    to: mpsc::Sender<Bytes>,
    from: mpsc::Receiver<Bytes>,
) {
    let (reader, writer) = tokio::io::split(connection);
    tokio::join!(inward(reader, to), outward(writer, received(from)));
}
