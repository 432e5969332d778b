//! Transfers with a client that keeps to fsutil's protocol, and with some that don't.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tonic::server::Grpc;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::filesync::{Filter, Tree, send_files};
use super::proto::{Packet, PacketKind, Stat};
use super::session::{Session, Shared};
use crate::daemon::thread;

const DIR: u32 = 1 << 31;

fn stat(path: &str, mode: u32, size: usize) -> Stat {
    Stat {
        path: path.into(),
        mode,
        size: size as i64,
        ..Stat::default()
    }
}

fn packet(kind: PacketKind, id: u32, data: &[u8]) -> Packet {
    Packet {
        kind: kind.into(),
        id,
        stat: None,
        data: Bytes::copy_from_slice(data),
    }
}

/// Files and their contents, as a client offers them.
type Offer = Arc<Vec<(Stat, Vec<u8>)>>;

/// The sender's part: all metadata, then what is asked for, each once.
async fn offer(
    files: Offer,
    mut asked: Streaming<Packet>,
    sender: mpsc::Sender<Result<Packet, Status>>,
) {
    for stat in files
        .iter()
        .map(|(stat, _)| Some(stat.clone()))
        .chain([None])
    {
        let packet = Packet {
            stat,
            ..Packet::default()
        };
        let _ = sender.send(Ok(packet)).await;
    }
    let mut given = std::collections::BTreeSet::new();
    while let Ok(Some(request)) = asked.message().await {
        if request.kind() == PacketKind::Fin {
            let _ = sender.send(Ok(packet(PacketKind::Fin, 0, b""))).await;
            return;
        }
        if !given.insert(request.id) {
            let _ = sender.send(Err(Status::unknown("invalid file id"))).await;
            return;
        }
        for piece in files[request.id as usize].1.chunks(7) {
            let _ = sender
                .send(Ok(packet(PacketKind::Data, request.id, piece)))
                .await;
        }
        let _ = sender
            .send(Ok(packet(PacketKind::Data, request.id, b"")))
            .await;
    }
}

/// What a client received: metadata and contents.
type Received = Arc<Mutex<Vec<(Stat, Vec<u8>)>>>;

/// The receiver's part: takes all metadata, asks for every file.
async fn receive(
    received: Received,
    mut packets: Streaming<Packet>,
    sender: mpsc::Sender<Result<Packet, Status>>,
) {
    let mut wanted = Vec::new();
    while let Ok(Some(packet)) = packets.message().await {
        let Some(stat) = packet.stat else { break };
        wanted.push(stat);
    }
    for (id, stat) in wanted.into_iter().enumerate() {
        let mut content = Vec::new();
        if stat.mode & DIR == 0 {
            let _ = sender
                .send(Ok(packet(PacketKind::Req, id as u32, b"")))
                .await;
            while let Ok(Some(packet)) = packets.message().await {
                if packet.data.is_empty() {
                    break;
                }
                content.extend_from_slice(&packet.data);
            }
        }
        received
            .lock()
            .expect("no one panicked")
            .push((stat, content));
    }
    let _ = sender.send(Ok(packet(PacketKind::Fin, 0, b""))).await;
    // The end of what is sent.
    while let Ok(Some(_)) = packets.message().await {}
}

/// A session whose client offers `files` and keeps what it is sent.
async fn session(files: Vec<(Stat, Vec<u8>)>) -> (Session, Received) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (files, received) = (Arc::new(files), Received::default());
    let kept = received.clone();
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (files, received) = (files.clone(), kept.clone());
        async move {
            let takes = request.uri().path().ends_with("FileSend/DiffCopy");
            let call = tower::service_fn(move |request: Request<Streaming<Packet>>| {
                let (files, received) = (files.clone(), received.clone());
                async move {
                    let (sender, answers) = mpsc::channel(4);
                    let packets = request.into_inner();
                    match takes {
                        true => drop(tokio::spawn(receive(received, packets, sender))),
                        false => drop(tokio::spawn(offer(files, packets, sender))),
                    }
                    Ok::<_, Status>(Response::new(thread::stream(answers)))
                }
            });
            let mut grpc = Grpc::new(ProstCodec::<Packet, Packet>::default());
            Ok::<_, Infallible>(grpc.streaming(call, request).await)
        }
    });
    tokio::spawn(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(far), service),
    );
    let sessions = Shared::default();
    let served = sessions.clone();
    tokio::spawn(async move { served.serve("one".into(), TokioIo::new(near)).await });
    (sessions.get("one").await.expect("it comes"), received)
}

#[tokio::test]
async fn a_context_becomes_a_tar() {
    let long = "d/".repeat(60) + "long";
    let files = vec![
        (stat("Dockerfile", 0o644, 12), b"FROM busybox".to_vec()),
        (stat("dir", DIR | 0o755, 0), Vec::new()),
        (stat("dir/empty", 0o600, 0), Vec::new()),
        (stat("dir/setuid", 1 << 23 | 0o755, 600), vec![b'x'; 600]),
        (
            Stat {
                linkname: "dir/setuid".into(),
                ..stat("hard", 0o755, 600)
            },
            Vec::new(),
        ),
        (
            Stat {
                linkname: "../out".into(),
                ..stat("soft", 1 << 27 | 0o777, 0)
            },
            Vec::new(),
        ),
        (stat("socket", 1 << 24 | 0o755, 0), Vec::new()),
        (stat(&long, 0o644, 3), b"end".to_vec()),
    ];
    let (session, _) = session(files).await;
    let mut tree = Tree::open(&session, "context", &Filter::default())
        .await
        .expect("it opens");
    assert_eq!(tree.size("Dockerfile"), Some(12));
    assert_eq!(tree.size("dir"), None);
    // Read twice, and sent after that: the client gives it once.
    for _ in 0..2 {
        let read = tree.read("Dockerfile").await.expect("it is read");
        assert_eq!(read.as_deref(), Some(&b"FROM busybox"[..]));
    }
    let (chunks, mut body) = mpsc::channel(4);
    let sent = tokio::spawn(async move {
        let extra = [("extra".to_owned(), Bytes::from_static(b"beside"))];
        tree.send(&extra, &chunks).await
    });
    let mut tar = Vec::new();
    while let Some(chunk) = body.recv().await {
        tar.extend_from_slice(&chunk.expect("a chunk"));
    }
    sent.await.expect("no panic").expect("it is sent");
    let mut found = Vec::new();
    for entry in tar::Archive::new(&tar[..]).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("its content");
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let header = entry.header();
        found.push((
            path,
            header.entry_type(),
            header.mode().expect("a mode"),
            content.len(),
        ));
    }
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let expected = [
        ("Dockerfile", Regular, 0o644, 12),
        ("dir", Directory, 0o755, 0),
        ("dir/empty", Regular, 0o600, 0),
        ("dir/setuid", Regular, 0o4755, 600),
        ("hard", Link, 0o755, 0),
        ("soft", Symlink, 0o777, 0),
        (&long, Regular, 0o644, 3),
        ("extra", Regular, 0o644, 6),
    ];
    let expected = expected.map(|(path, kind, mode, size)| (path.to_owned(), kind, mode, size));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn paths_out_of_the_context_are_refused() {
    for path in ["../up", "/root", "a/../../b", "a//b", ""] {
        let (session, _) = session(vec![(stat(path, 0o644, 0), Vec::new())]).await;
        let opened = Tree::open(&session, "context", &Filter::default()).await;
        let error = opened.map(drop).expect_err("it is outside").to_string();
        assert!(
            error.contains("the client sent a file with the path"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_ends_the_build() {
    for size in [2, 20] {
        let (session, _) = session(vec![(stat("f", 0o644, size), b"0123456789".to_vec())]).await;
        let tree = Tree::open(&session, "context", &Filter::default())
            .await
            .expect("it opens");
        let (chunks, mut body) = mpsc::channel(4);
        let sent = tokio::spawn(async move { tree.send(&[], &chunks).await });
        while body.recv().await.is_some() {}
        let error = sent
            .await
            .expect("no panic")
            .expect_err("it changed")
            .to_string();
        assert!(error.contains("while it was read"), "{error}");
    }
}

#[tokio::test]
async fn a_result_reaches_the_client() {
    let mut tar = tar::Builder::new(tempfile::tempfile().expect("a file"));
    let mut add = |path: &str, kind, mode, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content)
            .expect("it is added");
    };
    add("dir-x", tar::EntryType::Regular, 0o4711, b"special");
    add("dir/", tar::EntryType::Directory, 0o755, b"");
    add("dir/file", tar::EntryType::Regular, 0o644, &[b'y'; 70_000]);
    let mut file = tar.into_inner().expect("it ends");
    file.flush().expect("it is written");
    let (session, received) = session(Vec::new()).await;
    send_files(&session, file).await.expect("it is sent");
    let received = received.lock().expect("no one panicked");
    let seen: Vec<_> = received
        .iter()
        .map(|(s, c)| (s.path.as_str(), s.mode, c.len()))
        .collect();
    // As fsutil orders: what is in a directory comes before names that merely begin like it.
    assert_eq!(
        seen,
        [
            ("dir", DIR | 0o755, 0),
            ("dir/file", 0o644, 70_000),
            ("dir-x", 1 << 23 | 0o711, 7)
        ]
    );
}
