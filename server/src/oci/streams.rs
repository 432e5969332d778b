//! Pipes and terminals of containers, read and written by tokio, handed over to the engine's thread.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bottleship_engine::executor::Executor;
use bottleship_engine::pipe::{CAPACITY, PipeReader, PipeWriter, pipe};
use bytes::Bytes;
use rustix::fs::OFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::os;

/// Bytes moved at a time.
const CHUNK: usize = 32 << 10;
/// Chunks on their way between the threads.
const CHUNKS: usize = 4;
/// What a process wrote before it ended is there by then.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// The host's end of a pipe, or a terminal's master.
pub struct End(AsyncFd<Arc<OwnedFd>>);

impl End {
    /// Takes a descriptor over. To be called within tokio.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn new(fd: OwnedFd) -> io::Result<End> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        Ok(End(os::watch(
            Arc::new(fd),
            Interest::READABLE | Interest::WRITABLE,
        )?))
    }

    /// Some bytes; none at the end, which of a terminal is that nobody has it open any more.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|fd| Ok(rustix::io::read(fd, &mut *buffer)?)) {
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EIO) => return Ok(0),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return result,
                Err(_not_ready) => {}
            }
        }
    }

    /// Writes all of it.
    pub async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready.try_io(|fd| Ok(rustix::io::write(fd, data)?)) {
                Ok(Ok(count)) => data = data.get(count..).unwrap_or_default(),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_not_ready) => {}
            }
        }
        Ok(())
    }

    /// Sets a terminal's size.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = rustix::termios::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(&self.0, size)?)
    }
}

/// Whether a process ended; resolves again and again.
#[derive(Clone)]
pub struct Ended(watch::Receiver<Option<i64>>);

impl Ended {
    /// With what the end is told.
    pub fn new() -> (watch::Sender<Option<i64>>, Ended) {
        let (sender, receiver) = watch::channel(None);
        (sender, Ended(receiver))
    }

    /// The exit code, 128 + n for signal n.
    pub async fn wait(&self) -> i64 {
        let mut receiver = self.0.clone();
        match receiver.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(255),
            // Whoever waited is gone with the server.
            Err(_) => 255,
        }
    }

    /// Whether it ended already.
    pub fn is_over(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// Moves what a process writes into a pipe of the engine's, until its end or until the process ended and what it
/// wrote was read: what it left running may keep the stream open for ever. The sender is dropped when all is over.
pub fn outward(
    tokio: &Handle,
    executor: &Executor,
    end: Arc<End>,
    ended: Ended,
    over: futures::channel::oneshot::Sender<()>,
) -> PipeReader {
    let (chunks, mut received) = mpsc::channel::<Bytes>(CHUNKS);
    tokio.spawn(async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = tokio::select! {
                read = end.read(&mut buffer) => read,
                _ = ended.wait() => {
                    match tokio::time::timeout(LAST_WORDS, end.read(&mut buffer)).await {
                        Ok(read) => read,
                        Err(_nothing_more) => return,
                    }
                }
            };
            match read {
                Ok(count @ 1..) => {
                    let data = Bytes::copy_from_slice(&buffer[..count]);
                    if chunks.send(data).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    });
    let (mut writer, reader) = pipe(CAPACITY);
    executor.spawn(async move {
        while let Some(chunk) = received.recv().await {
            // Output that nobody takes is dropped.
            let _ = writer.write(chunk).await;
        }
        drop(over);
    });
    reader
}

/// Moves what the engine is given into a process' input. The end of it closes a pipe; a terminal stays open.
pub fn inward(tokio: &Handle, executor: &Executor, end: Arc<End>, ended: Ended) -> PipeWriter {
    let (chunks, mut received) = mpsc::channel::<Bytes>(CHUNKS);
    let (writer, mut reader) = pipe(CAPACITY);
    executor.spawn(async move {
        while let Some(Ok(data)) = reader.read().await {
            if chunks.send(data).await.is_err() {
                return;
            }
        }
    });
    tokio.spawn(async move {
        loop {
            let chunk = tokio::select! {
                chunk = received.recv() => chunk,
                _ = ended.wait() => None,
            };
            let Some(chunk) = chunk else { return };
            let written = tokio::select! {
                written = end.write_all(&chunk) => written,
                _ = ended.wait() => return,
            };
            if written.is_err() {
                return;
            }
        }
    });
    writer
}
