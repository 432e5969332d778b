//! Files of a client: fsutil's protocol over `moby.filesync.v1`. Whoever has the files sends the metadata of all, in
//! the order of their paths; the other asks for contents by number, and says when it has enough.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;
use tonic::Streaming;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::proto::{BytesMessage, Packet, PacketKind, Stat};
use super::session::{Session, refusal};
use crate::daemon::thread::{self, Chunk};

/// Files of one transfer at most.
const MOST_FILES: usize = 1 << 20;
/// Bytes of their metadata at most.
const MOST_METADATA: usize = 256 << 20;
/// Bytes of a file that is read whole (a Dockerfile, an ignore file) at most.
const MOST_WHOLE: usize = 4 << 20;
/// Bytes of content in one packet that is sent.
const PIECE: usize = 32 << 10;
/// Packets on their way.
const QUEUE: usize = 16;

/// The method by which a client takes files.
const SEND: &str = "/moby.filesync.v1.FileSend/DiffCopy";

/// The bits of Go's `os.FileMode` above the permissions.
mod mode {
    pub const DIR: u32 = 1 << 31;
    pub const SYMLINK: u32 = 1 << 27;
    pub const DEVICE: u32 = 1 << 26;
    pub const PIPE: u32 = 1 << 25;
    pub const SOCKET: u32 = 1 << 24;
    pub const SETUID: u32 = 1 << 23;
    pub const SETGID: u32 = 1 << 22;
    pub const CHAR: u32 = 1 << 21;
    pub const STICKY: u32 = 1 << 20;
    pub const TYPE: u32 = DIR | SYMLINK | DEVICE | PIPE | SOCKET | CHAR;
}

/// What of a client's directory is wanted.
#[derive(Default)]
pub struct Filter {
    /// Only these, if any.
    pub include: Vec<String>,
    /// Not these, in the syntax of ignore files.
    pub exclude: Vec<String>,
}

impl Filter {
    fn metadata(&self, directory: &str) -> Result<MetadataMap> {
        let mut map = MetadataMap::new();
        let name = MetadataValue::try_from(directory);
        map.insert("dir-name", name.context("the directory's name")?);
        for (key, patterns) in [
            ("include-patterns", &self.include),
            ("exclude-patterns", &self.exclude),
        ] {
            // A header holds ASCII; what it can't say is sorted out by the build, which knows the ignore file, too.
            let values = patterns.iter().map(MetadataValue::try_from);
            for value in values.collect::<Result<Vec<_>, _>>().unwrap_or_default() {
                map.append(key, value);
            }
        }
        Ok(map)
    }
}

/// A client's directory, as its files' metadata; the contents are still to be asked for.
pub struct Tree {
    stats: Vec<Stat>,
    packets: Streaming<Packet>,
    requests: mpsc::Sender<Packet>,
    /// What was read already: a client gives each content once.
    read: HashMap<usize, Bytes>,
}

/// Whether a path is relative, clean, and stays below its root.
fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

impl Tree {
    /// Asks for the metadata of a directory that the client has given a name (`context`, `dockerfile`).
    ///
    /// # Errors
    /// The client has none of this name, or does not keep to the protocol.
    pub async fn open(session: &Session, directory: &str, filter: &Filter) -> Result<Tree> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let mut packets: Streaming<Packet> = session
            .stream(
                "/moby.filesync.v1.FileSync/DiffCopy",
                filter.metadata(directory)?,
                thread::stream(queue),
            )
            .await?;
        let mut stats: Vec<Stat> = Vec::new();
        let mut bytes = 0;
        loop {
            let packet = next(&mut packets).await?;
            ensure!(
                packet.kind() == PacketKind::Stat,
                "the client sent content that nobody asked for"
            );
            let Some(stat) = packet.stat else { break };
            ensure!(
                is_inside(&stat.path),
                "the client sent a file with the path {:?}",
                stat.path
            );
            bytes += prost::Message::encoded_len(&stat);
            ensure!(
                stats.len() < MOST_FILES && bytes <= MOST_METADATA,
                "the build context has more than {MOST_FILES} files"
            );
            stats.push(stat);
        }
        Ok(Tree {
            stats,
            packets,
            requests,
            read: HashMap::new(),
        })
    }

    /// The size of a regular file, if it is there.
    pub fn size(&self, path: &str) -> Option<u64> {
        let stat = self
            .stats
            .iter()
            .find(|s| s.path == path && is_regular(s))?;
        u64::try_from(stat.size).ok()
    }

    /// Reads a small file; nothing if it is not there.
    ///
    /// # Errors
    /// It is too large, or the client fails.
    pub async fn read(&mut self, path: &str) -> Result<Option<Bytes>> {
        let Some(id) = self
            .stats
            .iter()
            .position(|s| s.path == path && is_regular(s))
        else {
            return Ok(None);
        };
        if let Some(content) = self.read.get(&id) {
            return Ok(Some(content.clone()));
        }
        let mut content = BytesMut::new();
        self.request(id).await?;
        while let Some(piece) = self.piece(id).await? {
            ensure!(
                content.len() + piece.len() <= MOST_WHOLE,
                "{path} is larger than {MOST_WHOLE} bytes"
            );
            content.extend_from_slice(&piece);
        }
        let content = content.freeze();
        self.read.insert(id, content.clone());
        Ok(Some(content))
    }

    async fn request(&self, id: usize) -> Result<()> {
        let packet = Packet {
            kind: PacketKind::Req.into(),
            id: u32::try_from(id)?,
            ..Packet::default()
        };
        self.requests
            .send(packet)
            .await
            .context("the client went away")
    }

    async fn piece(&mut self, id: usize) -> Result<Option<Bytes>> {
        let packet = next(&mut self.packets).await?;
        ensure!(
            packet.kind() == PacketKind::Data && usize::try_from(packet.id)? == id,
            "the client sent another file than was asked for"
        );
        Ok(Some(packet.data).filter(|data| !data.is_empty()))
    }

    /// Sends everything as a tar, with `extra` files (names and contents) at its end.
    ///
    /// # Errors
    /// The client fails, changes a file meanwhile, or nobody takes the tar any more.
    pub async fn send(
        mut self,
        extra: &[(String, Bytes)],
        chunks: &mpsc::Sender<Chunk>,
    ) -> Result<()> {
        let gone = "the build has ended";
        let mut tar = Builder::new(Vec::new());
        for id in 0..self.stats.len() {
            let stat = &self.stats[id];
            let Some((header, link)) = header(stat) else {
                continue;
            };
            let (path, size) = (stat.path.clone(), header.size()?);
            append(&mut tar, header, &path, link.as_deref())?;
            if let Some(content) = self.read.remove(&id) {
                ensure!(
                    content.len() as u64 == size,
                    "{path} changed while it was read"
                );
                tar.get_mut().extend_from_slice(&content);
                pad(&mut tar, content.len() as u64)?;
            } else if size > 0 {
                self.request(id).await?;
                let mut left = size;
                while let Some(piece) = self.piece(id).await? {
                    left = left
                        .checked_sub(piece.len() as u64)
                        .with_context(|| format!("{path} grew while it was read"))?;
                    let head = std::mem::take(tar.get_mut());
                    if !head.is_empty() {
                        chunks.send(Ok(head.into())).await.context(gone)?;
                    }
                    chunks.send(Ok(piece)).await.context(gone)?;
                }
                ensure!(left == 0, "{path} shrank while it was read");
                pad(&mut tar, size)?;
            }
            if tar.get_ref().len() >= PIECE {
                let head = std::mem::take(tar.get_mut());
                chunks.send(Ok(head.into())).await.context(gone)?;
            }
        }
        for (name, content) in extra {
            let mut header = Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_ref())?;
        }
        chunks
            .send(Ok(tar.into_inner()?.into()))
            .await
            .context(gone)?;
        self.finish().await
    }

    /// Tells the client that this is all.
    ///
    /// # Errors
    /// The client went away.
    pub async fn finish(mut self) -> Result<()> {
        let fin = Packet {
            kind: PacketKind::Fin.into(),
            ..Packet::default()
        };
        self.requests
            .send(fin)
            .await
            .context("the client went away")?;
        while let Some(packet) = self.packets.message().await.map_err(|s| refusal(&s))? {
            if packet.kind() == PacketKind::Fin {
                break;
            }
        }
        Ok(())
    }
}

async fn next(packets: &mut Streaming<Packet>) -> Result<Packet> {
    let packet = packets.message().await.map_err(|status| refusal(&status))?;
    let packet = packet.context("the client ended the transfer")?;
    if packet.kind() == PacketKind::Err {
        bail!("{}", String::from_utf8_lossy(&packet.data));
    }
    Ok(packet)
}

fn is_regular(stat: &Stat) -> bool {
    stat.mode & mode::TYPE == 0 && stat.linkname.is_empty()
}

/// A tar's entry for a file, and what it links to; nothing for what no context holds.
fn header(stat: &Stat) -> Option<(Header, Option<String>)> {
    let mut header = Header::new_gnu();
    let (kind, link) = match stat.mode & mode::TYPE {
        0 if stat.linkname.is_empty() => (EntryType::Regular, None),
        0 => (EntryType::Link, Some(stat.linkname.clone())),
        mode::DIR => (EntryType::Directory, None),
        mode::SYMLINK => (EntryType::Symlink, Some(stat.linkname.clone())),
        mode::PIPE => (EntryType::Fifo, None),
        _ => return None,
    };
    header.set_entry_type(kind);
    let special = [
        (mode::SETUID, 0o4000),
        (mode::SETGID, 0o2000),
        (mode::STICKY, 0o1000),
    ];
    let special = special.iter().filter(|(bit, _)| stat.mode & bit != 0);
    header.set_mode(stat.mode & 0o777 | special.map(|(_, unix)| unix).sum::<u32>());
    header.set_uid(stat.uid.into());
    header.set_gid(stat.gid.into());
    header.set_mtime(u64::try_from(stat.mod_time / 1_000_000_000).unwrap_or(0));
    let size = if kind == EntryType::Regular {
        u64::try_from(stat.size).unwrap_or(0)
    } else {
        0
    };
    header.set_size(size);
    Some((header, link))
}

fn append(
    tar: &mut Builder<Vec<u8>>,
    mut header: Header,
    path: &str,
    link: Option<&str>,
) -> Result<()> {
    match link {
        Some(link) => tar.append_link(&mut header, path, link)?,
        // Only the head: the content comes after it, from the client.
        None => tar.append_data(&mut header, path, std::io::empty())?,
    }
    Ok(())
}

/// Fills the last block of a file's content.
fn pad(tar: &mut Builder<Vec<u8>>, size: u64) -> Result<()> {
    let end = tar.get_ref().len() + usize::try_from((512 - size % 512) % 512)?;
    tar.get_mut().resize(end, 0);
    Ok(())
}

/// Sends a tar's files to a client that asked for them (`--output type=local`).
///
/// # Errors
/// The client fails or does not keep to the protocol; the tar is damaged.
pub async fn send_files(session: &Session, tar: File) -> Result<()> {
    let mut files = Files::of(tar)?;
    let (packets, queue) = mpsc::channel(QUEUE);
    let gone = "the client went away";
    let stats: Vec<Stat> = files.stats.iter().map(|(stat, _)| stat.clone()).collect();
    let sender = packets.clone();
    let metadata = async move {
        for stat in stats.into_iter().map(Some).chain([None]) {
            let packet = Packet {
                stat,
                ..Packet::default()
            };
            sender.send(packet).await.context(gone)?;
        }
        anyhow::Ok(())
    };
    // A server of gRPC answers with its first message, which here comes after the first of ours.
    let contents = async move {
        let mut requests: Streaming<Packet> = session
            .stream(SEND, MetadataMap::new(), thread::stream(queue))
            .await?;
        loop {
            let request = next(&mut requests).await?;
            match request.kind() {
                PacketKind::Req => files.send(request.id, &packets).await?,
                PacketKind::Fin => break,
                _ => bail!("the client sent what only a sender sends"),
            }
        }
        let fin = Packet {
            kind: PacketKind::Fin.into(),
            ..Packet::default()
        };
        packets.send(fin).await.context(gone)?;
        // The receiver waits for the end of what is sent, and ends the call then.
        drop(packets);
        drain(requests).await
    };
    futures::try_join!(metadata, contents)?;
    Ok(())
}

async fn drain<T>(mut messages: Streaming<T>) -> Result<()> {
    while messages
        .message()
        .await
        .map_err(|status| refusal(&status))?
        .is_some()
    {}
    Ok(())
}

/// Sends a tar as it is (`--output type=tar`).
///
/// # Errors
/// The client fails.
pub async fn send_tar(session: &Session, mut tar: File) -> Result<()> {
    let (messages, queue) = mpsc::channel(QUEUE);
    tar.seek(SeekFrom::Start(0))?;
    let content = async move {
        let mut buffer = vec![0; PIECE];
        loop {
            let count = tar.read(&mut buffer)?;
            if count == 0 {
                return anyhow::Ok(());
            }
            let data = Bytes::copy_from_slice(&buffer[..count]);
            let sent = messages.send(BytesMessage { data }).await;
            sent.context("the client went away")?;
        }
    };
    let answer = async move {
        let answer: Streaming<BytesMessage> = session
            .stream(SEND, MetadataMap::new(), thread::stream(queue))
            .await?;
        drain(answer).await
    };
    futures::try_join!(content, answer)?;
    Ok(())
}

/// A tar's files in the order of fsutil: by path, a directory before what is in it.
struct Files {
    tar: File,
    /// Metadata, and where the content begins.
    stats: Vec<(Stat, u64)>,
}

impl Files {
    fn of(mut tar: File) -> Result<Files> {
        tar.seek(SeekFrom::Start(0))?;
        let mut archive = tar::Archive::new(tar);
        let mut sorted = BTreeMap::new();
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let header = entry.header();
            let path = String::from_utf8_lossy(&entry.path_bytes())
                .trim_matches('/')
                .to_owned();
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            if !is_inside(&path) {
                continue;
            }
            let unix = header.mode()?;
            let kind = match header.entry_type() {
                EntryType::Directory => mode::DIR,
                EntryType::Symlink => mode::SYMLINK,
                EntryType::Regular | EntryType::Link => 0,
                EntryType::Fifo => mode::PIPE,
                EntryType::Char => mode::DEVICE | mode::CHAR,
                EntryType::Block => mode::DEVICE,
                _ => continue,
            };
            let special = [
                (mode::SETUID, 0o4000),
                (mode::SETGID, 0o2000),
                (mode::STICKY, 0o1000),
            ];
            let special = special.iter().filter(|(_, bit)| unix & bit != 0);
            let link = entry
                .link_name_bytes()
                .map(|link| String::from_utf8_lossy(&link).into_owned());
            let stat = Stat {
                path: path.clone(),
                mode: kind | unix & 0o777 | special.map(|(bit, _)| bit).sum::<u32>(),
                uid: u32::try_from(header.uid()?)?,
                gid: u32::try_from(header.gid()?)?,
                size: i64::try_from(header.size()?)?,
                mod_time: i64::try_from(header.mtime()?)?.saturating_mul(1_000_000_000),
                linkname: link.unwrap_or_default(),
                ..Stat::default()
            };
            // A slash sorts before everything else.
            sorted.insert(path.replace('/', "\0"), (stat, entry.raw_file_position()));
        }
        let stats = sorted.into_values().collect();
        Ok(Files {
            tar: archive.into_inner(),
            stats,
        })
    }

    async fn send(&mut self, id: u32, packets: &mpsc::Sender<Packet>) -> Result<()> {
        let (stat, start) = self
            .stats
            .get(usize::try_from(id)?)
            .context("the client asked for no file")?;
        let mut left = u64::try_from(stat.size)?;
        self.tar.seek(SeekFrom::Start(*start))?;
        let mut packet = Packet {
            kind: PacketKind::Data.into(),
            id,
            ..Packet::default()
        };
        while left > 0 {
            let mut buffer = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            self.tar.read_exact(&mut buffer)?;
            left -= buffer.len() as u64;
            packet.data = buffer.into();
            packets
                .send(packet.clone())
                .await
                .context("the client went away")?;
        }
        packet.data = Bytes::new();
        packets.send(packet).await.context("the client went away")
    }
}
