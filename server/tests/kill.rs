//! A daemon that is killed at any moment keeps what it acknowledged, and opens again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");

/// How often the daemon is killed, each time a little later in the client's work.
const KILLS: u64 = 12;

struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    fn start(dir: &Path) -> Daemon {
        let socket = dir.join("sock");
        let _ = std::fs::remove_file(&socket);
        let child = Command::new(BOTTLESHIP)
            .args([
                "daemon",
                "-H",
                &format!("unix://{}", socket.display()),
                "--data",
            ])
            .arg(dir.join("data"))
            .stdout(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let mut daemon = Daemon { child, socket };
        let deadline = Instant::now() + Duration::from_secs(30);
        while daemon.docker(&["version"]).is_none() {
            assert!(
                daemon.child.try_wait().unwrap().is_none(),
                "the daemon ended: its store can't be opened"
            );
            assert!(Instant::now() < deadline, "the daemon does not answer");
            thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    /// Standard output of a command that succeeded.
    fn docker(&self, arguments: &[&str]) -> Option<String> {
        docker(&self.socket, arguments, None)
    }
}

fn docker(socket: &Path, arguments: &[&str], input: Option<&[u8]>) -> Option<String> {
    let mut child = Command::new(BOTTLESHIP)
        .arg("docker")
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker starts");
    if let Some(input) = input {
        // A daemon that was killed meanwhile closes the pipe.
        let _ = child.stdin.take().expect("piped").write_all(input);
    }
    let Output { status, stdout, .. } = child.wait_with_output().expect("docker ends");
    status
        .success()
        .then(|| String::from_utf8_lossy(&stdout).trim().to_owned())
}

/// A file system of one file, large enough to be stored apart from the database.
fn layer(content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "file", content)
        .expect("a tar in memory");
    tar.into_inner().expect("a tar in memory")
}

/// Makes images, volumes, containers until the daemon is gone; notes what was acknowledged.
fn work(socket: &Path, round: u64, stop: &AtomicBool, acknowledged: &Mutex<Vec<[String; 2]>>) {
    let note =
        |kind: &str, name: String| acknowledged.lock().unwrap().push([kind.to_owned(), name]);
    for step in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("n{round}-{step}");
        let tar = layer(&name.repeat(40_000).into_bytes());
        if docker(socket, &["import", "-", &name], Some(&tar)).is_some() {
            note("image", name.clone());
        }
        if docker(socket, &["volume", "create", &name], None).is_some() {
            note("volume", name.clone());
        }
        if docker(socket, &["create", "--name", &name, &name, "/file"], None).is_some() {
            note("container", name.clone());
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..KILLS {
        let mut daemon = Daemon::start(dir.path());
        let stop = Arc::new(AtomicBool::new(false));
        let worker = {
            let (socket, stop, acknowledged) =
                (daemon.socket.clone(), stop.clone(), acknowledged.clone());
            thread::spawn(move || work(&socket, round, &stop, &acknowledged))
        };
        // Somewhere else in the work each time.
        thread::sleep(Duration::from_millis(120 + 37 * round));
        daemon.child.kill().unwrap();
        daemon.child.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        worker.join().unwrap();
    }
    let mut daemon = Daemon::start(dir.path());
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() > KILLS as usize,
        "the test did next to nothing: {acknowledged:?}"
    );
    for [kind, name] in &acknowledged {
        assert!(
            daemon.docker(&[kind, "inspect", name]).is_some(),
            "{kind} {name} was acknowledged and is gone"
        );
    }
    let scratch = dir.path().join("scratch.tar");
    let scratch = scratch.to_str().expect("a path in UTF-8");
    // What is listed is whole: every image can be saved, every container's files read.
    for image in daemon
        .docker(&["images", "-q", "--no-trunc"])
        .expect("a list")
        .lines()
    {
        assert!(
            daemon.docker(&["save", "-o", scratch, image]).is_some(),
            "image {image} is not whole"
        );
    }
    for container in daemon.docker(&["ps", "-aq"]).expect("a list").lines() {
        assert!(
            daemon
                .docker(&["export", "-o", scratch, container])
                .is_some(),
            "container {container} is not whole"
        );
    }
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
}
