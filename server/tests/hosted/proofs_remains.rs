//! What is left when a server is killed, and what many containers at once leave.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;

use crate::PATIENCE;
use crate::client::Server;
use crate::machine::with_each;

/// What is left of the server of a directory: mounts, loop devices, processes, control groups, interfaces.
fn remains(dir: &Path) -> Vec<String> {
    let marker = dir.display().to_string();
    let mut found = Vec::new();
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    found.extend(
        mounts
            .lines()
            .filter(|line| line.contains(&marker))
            .map(str::to_owned),
    );
    let loops = Command::new("losetup")
        .arg("-a")
        .output()
        .expect("losetup runs");
    let loops = String::from_utf8_lossy(&loops.stdout).into_owned();
    found.extend(
        loops
            .lines()
            .filter(|line| line.contains(&marker))
            .map(str::to_owned),
    );
    for process in std::fs::read_dir("/proc").expect("proc").flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.starts_with("sleep 12345") {
            found.push(line);
        }
    }
    for group in [
        "/sys/fs/cgroup/memory/bottleship",
        "/sys/fs/cgroup/bottleship",
    ] {
        for server in std::fs::read_dir(group).into_iter().flatten().flatten() {
            for session in std::fs::read_dir(server.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                if session
                    .file_name()
                    .to_string_lossy()
                    .starts_with("session-")
                    && std::fs::read_to_string(
                        server.path().join(session.file_name()).join("cgroup.procs"),
                    )
                    .is_ok_and(|pids| !pids.trim().is_empty())
                {
                    found.push(session.path().display().to_string());
                }
            }
        }
    }
    found
}

/// The kernel lets go of some things a moment later.
fn is_clean(dir: &Path, own: &[String]) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = remains(dir);
        if left.iter().all(|one| own.contains(one)) {
            return true;
        }
        if Instant::now() > deadline {
            println!("left: {left:?}");
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Proof 8: during create, exec and delete.
#[test]
fn nothing_is_left_of_a_killed_server() {
    with_each(|dir, site, runtime| {
        for moment in [
            "for i in 1 2 3 4 5 6; do docker run -d busybox sleep 12345 & done",
            "for i in 1 2 3 4 5 6; do docker exec -d first sleep 12345 & done",
            "docker rm -f $(docker ps -q)",
        ] {
            let mut server = Server::start(dir, site, runtime, "");
            let mut session = server.open();
            session.make_image();
            session.ok("docker run -d --name first busybox sleep 12345 >/dev/null");
            session.send(Message::Binary(format!("{moment}\n").into_bytes().into()));
            std::thread::sleep(Duration::from_millis(150));
            drop(session);
            server.child.kill().expect("killed");
            server.child.wait().expect("gone");
            drop(server);
            // Without the next server's sweep, it is all still there.
            if !moment.contains("rm") {
                assert!(!remains(dir).is_empty(), "nothing outlives a server here");
            }
            let server = Server::start(dir, site, runtime, "");
            drop(server);
            assert!(is_clean(dir, &[]), "after {moment}");
        }
    });
}

/// Proof 9: three hundred at once, none of which hangs or fails, and none of which leaves anything.
#[test]
fn three_hundred_containers_at_once() {
    with_each(|dir, site, runtime| {
        let server = Server::start(
            dir,
            site,
            runtime,
            "containers = 400\npids = 1000\nmemory = 536870912",
        );
        let mut session = server.open();
        session.make_image();
        let began = Instant::now();
        let (server_ref, id) = (&server, session.id.clone());
        let call = |request: &str, body: &str| {
            server_ref.http_with(
                &format!(
                    "{} /api/sessions/{id}/docker{}",
                    request.split_once(' ').expect("a verb").0,
                    request.split_once(' ').expect("a path").1
                ),
                body,
            )
        };
        std::thread::scope(|scope| {
            // As many at a time as a page's connections could be, several times over.
            for worker in 0..30 {
                let call = &call;
                scope.spawn(move || {
                    for i in 0..10 {
                        let name = format!("n{worker}-{i}");
                        let (status, text) = call(
                            &format!("POST /containers/create?name={name}"),
                            "{\"Image\":\"busybox\",\"Cmd\":[\"true\"]}",
                        );
                        assert_eq!(status, 201, "{text}");
                        let (status, text) = call(&format!("POST /containers/{name}/start"), "");
                        assert_eq!(status, 204, "{text}");
                        let (status, text) = call(&format!("POST /containers/{name}/wait"), "");
                        assert!(status == 200 && text.contains("\"StatusCode\":0"), "{text}");
                        let (status, text) = call(&format!("DELETE /containers/{name}"), "");
                        assert_eq!(status, 204, "{text}");
                    }
                });
            }
        });
        println!(
            "300 containers, 30 at a time: {:.1} s",
            began.elapsed().as_secs_f64()
        );
        assert_eq!(session.ok("docker ps -aq | wc -l").trim(), "0");
        session.end();
        drop(server);
        assert!(is_clean(dir, &[]));
    });
}
