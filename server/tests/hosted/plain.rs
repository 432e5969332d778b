//! A container without walls: privileged, without a filter, on the host's network and among the host's processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::{BOTTLESHIP, PATIENCE};

/// A daemon whose containers are on the kernel.
pub struct Plain {
    child: Child,
    socket: PathBuf,
}

impl Plain {
    /// Starts one, and a container in it.
    pub fn start(dir: &Path, site: &Path, runtime: &str, more: &[&str]) -> Plain {
        let socket = dir.join("plain.sock");
        let child = Command::new(BOTTLESHIP)
            .args(["daemon", "--runtime", "oci", "--oci-runtime", runtime])
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            .arg("--data")
            .arg(dir.join("plain"))
            .stdout(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let plain = Plain { child, socket };
        let deadline = Instant::now() + PATIENCE;
        while plain.docker(&["version"]).1 != 0 {
            assert!(Instant::now() < deadline, "the daemon does not answer");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let tar = site.join("host.tar").display().to_string();
        let mut run = vec!["run", "-d", "--name", "open", "--privileged"];
        run.extend(["--security-opt", "seccomp=unconfined"]);
        run.extend(["--network", "host", "--pid", "host"]);
        run.extend(more);
        run.extend(["busybox", "sleep", "100000"]);
        for line in [&["import", &tar, "busybox"][..], &run] {
            let (text, code) = plain.docker(line);
            assert_eq!(code, 0, "{line:?}: {text}");
        }
        plain
    }

    fn docker(&self, arguments: &[&str]) -> (String, i32) {
        let output = Command::new(BOTTLESHIP)
            .arg("docker")
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .stdin(Stdio::null())
            .output()
            .expect("docker runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (text, output.status.code().unwrap_or(255))
    }

    /// What a line writes in the container, and its exit code.
    pub fn run(&self, line: &str) -> (String, i32) {
        self.docker(&["exec", "--privileged", "open", "sh", "-c", line])
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.child.try_wait().ok().flatten().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
