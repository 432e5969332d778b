//! What `docker build` sends: the tree at PATH without what its `.dockerignore` names.

use crate::cli::archive::{Out, Source, join};
use crate::cli::prelude::*;
use crate::pipe::PipeWriter;
use bottleship_dockerfile::ignore::{self, Matcher};
use bytes::Bytes;

/// The most a Dockerfile from standard input may hold.
const MAX_DOCKERFILE: usize = 16 << 20;

/// A build context, ready to be sent.
pub enum Context {
    /// A directory of this host.
    Directory {
        root: String,
        ignore: Matcher,
        /// A Dockerfile from elsewhere, under the name it has in the context.
        extra: Vec<(String, Vec<u8>)>,
    },
    /// Standard input, which is an archive already; what was read of it to find that out.
    Archive(Vec<u8>),
    /// Nothing but a Dockerfile.
    Dockerfile(Vec<u8>),
    /// The daemon fetches it.
    Remote(String),
}

/// The context, and the Dockerfile's name in it.
pub struct Prepared {
    pub context: Context,
    pub dockerfile: String,
}

fn is_remote(path: &str) -> bool {
    ["http://", "https://", "git://", "git@", "github.com/"]
        .iter()
        .any(|p| path.starts_with(p))
}

/// Whether bytes begin a tar archive, compressed or not.
fn is_archive(head: &[u8]) -> bool {
    const MAGICS: [&[u8]; 4] = [b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    MAGICS.iter().any(|m| head.starts_with(m)) || head.get(257..262) == Some(b"ustar")
}

impl Cli<'_> {
    /// Prepares the context of `docker build -f FILE PATH`.
    pub async fn build_context(&self, path: &str, file: &str) -> Result<Prepared, Failure> {
        let fail = |text: String| Failure::new(format!("unable to prepare context: {text}"));
        if path == "-" {
            if file == "-" {
                return Err(Failure::new(
                    "invalid argument: can't use stdin for both build context and dockerfile",
                ));
            }
            return self.context_from_stdin(file).await;
        }
        if is_remote(path) {
            return Ok(Prepared {
                context: Context::Remote(path.into()),
                dockerfile: if file.is_empty() {
                    "Dockerfile".into()
                } else {
                    file.into()
                },
            });
        }
        let root = self.absolute(path);
        match self.host.stat(&root, true).await {
            Ok(i) if i.is_dir() => {}
            Ok(_) => return Err(fail(format!("context must be a directory: {root}"))),
            Err(_) => return Err(fail(format!("path {} not found", quote(path)))),
        }
        let root = self
            .host
            .real_path(&root)
            .await
            .map_err(|e| fail(format!("unable to evaluate symlinks in context path: {e}")))?;
        let mut extra = Vec::new();
        let dockerfile = if file == "-" {
            let data = self.read_stdin(MAX_DOCKERFILE).await?;
            let name = self.foreign_name(&data);
            extra.push((name.clone(), data));
            name
        } else {
            self.local_dockerfile(&root, file, &mut extra)
                .await
                .map_err(|e| fail(e.text))?
        };
        let mut patterns = match self
            .read_file(&format!("{root}/.dockerignore"), 1 << 20)
            .await
        {
            Ok(data) => ignore::read(&data),
            Err(_) => Vec::new(),
        };
        // The daemon needs both files, whatever the patterns say.
        let named = |p: &[String], name: &str| Matcher::new(p).is_ok_and(|m| m.matches(name));
        if named(&patterns, ".dockerignore") {
            patterns.push("!.dockerignore".into());
        }
        if file != "-" && named(&patterns, &dockerfile) {
            patterns.push(format!("!{dockerfile}"));
        }
        if !extra.is_empty() {
            let mut all = self
                .read_file(&format!("{root}/.dockerignore"), 1 << 20)
                .await
                .unwrap_or_default();
            if !all.is_empty() && !all.ends_with(b"\n") {
                all.push(b'\n');
            }
            all.extend_from_slice(format!("{dockerfile}\n").as_bytes());
            extra.push((".dockerignore".into(), all));
        }
        let ignore = Matcher::new(&patterns)
            .map_err(|e| Failure::new(format!("error checking context: {e}")))?;
        Ok(Prepared {
            context: Context::Directory {
                root,
                ignore,
                extra,
            },
            dockerfile,
        })
    }

    /// The name of a Dockerfile that is not the context's own.
    fn foreign_name(&self, data: &[u8]) -> String {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        hash.update(data);
        hash.update(self.host.now().as_nanos().to_le_bytes());
        let hex = hex::encode(hash.finalize());
        format!(".dockerfile.{}", &hex[..20])
    }

    async fn local_dockerfile(
        &self,
        root: &str,
        file: &str,
        extra: &mut Vec<(String, Vec<u8>)>,
    ) -> Result<String, Failure> {
        let path = match file {
            "" => {
                let usual = join(root, "Dockerfile");
                let lower = join(root, "dockerfile");
                if self.host.stat(&usual, false).await.is_err()
                    && self.host.stat(&lower, false).await.is_ok()
                {
                    lower
                } else {
                    usual
                }
            }
            // Relative to the working directory, not to the context.
            f => self.absolute(f),
        };
        let real = self.host.real_path(&path).await.map_err(|e| {
            Failure::new(format!(
                "unable to evaluate symlinks in Dockerfile path: lstat {path}: {e}"
            ))
        })?;
        let inside = |p: &str| {
            p.strip_prefix(root.trim_end_matches('/'))
                .and_then(|r| r.strip_prefix('/'))
                .map(str::to_string)
        };
        if let Some(name) = inside(&real) {
            // A link keeps its own name when it lies in the context.
            return Ok(inside(&path).unwrap_or(name));
        }
        let data = self
            .read_file(&real, MAX_DOCKERFILE)
            .await
            .map_err(|e| Failure::new(format!("unable to open Dockerfile: {}", e.text)))?;
        let name = self.foreign_name(&data);
        extra.push((name.clone(), data));
        Ok(name)
    }

    async fn context_from_stdin(&self, file: &str) -> Result<Prepared, Failure> {
        let mut head = Vec::new();
        while head.len() < 512 {
            let part = self.host.read_stdin(4096).await.map_err(|e| {
                Failure::new(format!(
                    "unable to prepare context: failed to peek context header from STDIN: {e}"
                ))
            })?;
            if part.is_empty() {
                break;
            }
            head.extend_from_slice(&part);
        }
        if is_archive(&head) {
            return Ok(Prepared {
                context: Context::Archive(head),
                dockerfile: if file.is_empty() {
                    "Dockerfile".into()
                } else {
                    file.into()
                },
            });
        }
        if !file.is_empty() {
            return Err(Failure::new(
                "unable to prepare context: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles",
            ));
        }
        head.extend(self.read_stdin(MAX_DOCKERFILE).await?);
        Ok(Prepared {
            context: Context::Dockerfile(head),
            dockerfile: "Dockerfile".into(),
        })
    }

    /// Sends the context; returns how many bytes it took.
    pub async fn send_context(
        &self,
        context: &Context,
        writer: &mut PipeWriter,
    ) -> Result<u64, Failure> {
        match context {
            Context::Remote(_) => Ok(0),
            Context::Archive(head) => {
                let _ = writer.write(Bytes::copy_from_slice(head)).await;
                self.pump_file("-", writer).await?;
                Ok(head.len() as u64)
            }
            Context::Dockerfile(data) => {
                let mut out = Out::new(writer);
                self.archive_files(&[("Dockerfile".to_string(), data.clone())], &mut out)
                    .await?;
                Ok(out.sent)
            }
            Context::Directory {
                root,
                ignore,
                extra,
            } => {
                let mut out = Out::new(writer);
                let source = Source {
                    root: root.clone(),
                    base: ".".into(),
                    rename: String::new(),
                    include_base: false,
                    ignore: (!ignore.is_empty()).then_some(ignore),
                    own_by_root: true,
                    extra: extra.clone(),
                };
                self.archive(&source, &mut out).await?;
                Ok(out.sent)
            }
        }
    }
}
