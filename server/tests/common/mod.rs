//! A daemon of this build, and its own client.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const BOTTLESHIP: &str = env!("CARGO_BIN_EXE_bottleship");

/// A running daemon with its data in a directory.
pub struct Daemon {
    pub child: Child,
    pub socket: PathBuf,
}

impl Daemon {
    /// Starts one and waits until it answers.
    pub fn start(dir: &Path) -> Daemon {
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
        let deadline = Instant::now() + Duration::from_secs(60);
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
    pub fn docker(&self, arguments: &[&str]) -> Option<String> {
        docker(&self.socket, arguments, |_| ())
    }
}

/// Ends it as a crash does.
impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Standard output of a command that succeeded, after `input` wrote to it what it reads.
pub fn docker(
    socket: &Path,
    arguments: &[&str],
    input: impl FnOnce(&mut dyn Write),
) -> Option<String> {
    let mut child = Command::new(BOTTLESHIP)
        .arg("docker")
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("docker starts");
    input(&mut child.stdin.take().expect("piped"));
    let Output { status, stdout, .. } = child.wait_with_output().expect("docker ends");
    status
        .success()
        .then(|| String::from_utf8_lossy(&stdout).trim().to_owned())
}
