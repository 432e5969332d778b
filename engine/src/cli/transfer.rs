//! Bodies that come from files, and files that come from bodies.

use super::client::ApiFailure;
use super::host::FileKind;
use super::prelude::*;
use crate::pipe::{BodyError, CAPACITY, PipeWriter, pipe};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{Either, select};
use std::pin::pin;

/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

impl Cli<'_> {
    /// Sends a request whose body `produce` writes, while `consume` reads the answer. The producer's own
    /// failure is the one reported.
    pub async fn upload<T>(
        &self,
        request: Request,
        produce: impl AsyncFnOnce(&mut PipeWriter) -> Result<(), Failure>,
        consume: impl AsyncFnOnce(Response) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (mut writer, reader) = pipe(4 * CAPACITY);
        let pump = pin!(async move {
            let result = produce(&mut writer).await;
            match &result {
                Ok(()) => writer.close(),
                Err(f) => writer.fail(BodyError::Failed(f.text.clone())),
            }
            result
        });
        let exchange = pin!(async {
            let response = self
                .send(request.body(reader))
                .await
                .map_err(Failure::from)?;
            consume(response).await
        });
        match select(pump, exchange).await {
            Either::Left((Ok(()), exchange)) => exchange.await,
            Either::Left((Err(f), _)) => Err(f),
            Either::Right((result, _)) => result,
        }
    }

    /// Copies a file of the host, or standard input for `-`, into a body.
    pub async fn pump_file(&self, path: &str, writer: &mut PipeWriter) -> Result<(), Failure> {
        if path == "-" {
            loop {
                let part = self
                    .host
                    .read_stdin(CHUNK)
                    .await
                    .map_err(|e| Failure::new(format!("read /dev/stdin: {e}")))?;
                if part.is_empty() || writer.write(Bytes::from(part)).await.is_err() {
                    return Ok(());
                }
            }
        }
        let file = self
            .host
            .open(&self.absolute(path))
            .await
            .map_err(|e| Failure::new(format!("open {path}: {e}")))?;
        loop {
            let part = file
                .read(CHUNK)
                .await
                .map_err(|e| Failure::new(format!("read {path}: {e}")))?;
            // A daemon that has heard enough closes the body; its answer says why.
            if part.is_empty() || writer.write(Bytes::from(part)).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Writes an answer's body to a file, which appears when it is complete, or to standard output.
    pub async fn save_to(
        &self,
        output: &str,
        request: impl AsyncFnOnce() -> Result<Response, ApiFailure>,
        what: &str,
    ) -> Result<(), Failure> {
        if output.is_empty() {
            if self.host.is_tty(Stream::Stdout) {
                return Err(Failure::new(
                    "cowardly refusing to save to a terminal. Use the -o flag or redirect",
                ));
            }
            let mut stream = request().await?.body.into_stream();
            while let Some(chunk) = stream.next().await {
                self.out_bytes(&chunk.map_err(|e| Failure::new(e.to_string()))?)
                    .await;
            }
            return Ok(());
        }
        let path = self.absolute(output);
        let directory = path
            .rsplit_once('/')
            .map_or("/", |(d, _)| if d.is_empty() { "/" } else { d });
        if let Err(e) = self.host.stat(directory, true).await {
            return Err(Failure::new(format!(
                "failed to {what} {}: invalid output path: stat {directory}: {e}",
                if what == "export" {
                    "container"
                } else {
                    "image"
                }
            )));
        }
        // The file is replaced by a rename, which must not replace a device or the like.
        let refused = match self.host.stat(&path, true).await.map(|info| info.kind) {
            Ok(FileKind::Dir) => Some("a directory"),
            Ok(FileKind::CharDevice) => Some("a character device file"),
            Ok(FileKind::BlockDevice) => Some("a block device file"),
            Ok(FileKind::Fifo) => Some("a named pipe (FIFO)"),
            Ok(FileKind::Socket) => Some("a socket"),
            Ok(FileKind::File | FileKind::Symlink) | Err(_) => None,
        };
        if let Some(refused) = refused {
            return Err(Failure::new(format!(
                "failed to {what} {}: cannot write to {refused}",
                if what == "export" {
                    "container"
                } else {
                    "image"
                }
            )));
        }
        let response = request().await?;
        let temporary = format!("{path}.tmp");
        let fail = |e: HostError| Failure::new(format!("open {output}: {e}"));
        let file = self.host.create(&temporary, 0o600).await.map_err(fail)?;
        let mut stream = response.body.into_stream();
        let copied: Result<(), Failure> = async {
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|e| Failure::new(e.to_string()))?;
                file.write(&chunk).await.map_err(fail)?;
            }
            file.close().await.map_err(fail)?;
            self.host.rename(&temporary, &path).await.map_err(fail)
        }
        .await;
        if copied.is_err() {
            let _ = self.host.remove(&temporary).await;
        }
        copied
    }
}
