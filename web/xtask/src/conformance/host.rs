//! The daemon under test, and what scenarios expect around it: a registry on port 5000 and the oracle's Docker Hub
//! look-alike, both in a network namespace of their own as where the transcripts were recorded.

use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Env;
use crate::sh;

/// What surrounds the daemon, started before it in the same namespace. `$1`: the directory to work in, `$2`: the
/// oracle's.
const AROUND: &str = r#"
ip link set lo up
mount --make-rprivate /
mount --bind "$1/hub/hosts" /etc/hosts
printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/registry}, delete: {enabled: true}}\nhttp: {addr: 127.0.0.1:5000}\n' "$1" >"$1/registry.yml"
docker-registry serve "$1/registry.yml" >"$1/registry.log" 2>&1 &
python3 "$2/hub.py" "$1/hub" >"$1/hub.log" 2>&1 &
export SSL_CERT_FILE="$1/hub/cert.pem"
"#;

/// What the look-alike needs beside root.
const TOOLS: &[&str] = &["unshare", "docker-registry", "openssl", "python3", "ip"];

/// Whose system calls the daemon's containers make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// The emulated Linux's.
    Emulated,
    /// This machine's, by an OCI runtime.
    Real,
}

impl Kernel {
    /// Why containers can't be on it here.
    pub fn missing(self) -> Option<&'static str> {
        if self == Kernel::Emulated {
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            return Some("containers on this machine's kernel need root");
        }
        (!["crun", "runc"].into_iter().any(sh::has)).then_some("neither crun nor runc is installed")
    }
}

/// A daemon of ours on a socket of its own; ended when dropped, with what surrounds it.
pub struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
    kernel: Kernel,
    /// A shell command that resets the registry before a scenario.
    pub reset: Option<String>,
}

impl Daemon {
    /// Starts one that keeps its data, its log and its socket below `work`. With `base`, an archive of the base
    /// images, registries surround it where this machine has what they need.
    ///
    /// # Errors
    /// When it does not listen within twenty seconds.
    pub fn start(env: &Env, work: &Path, base: Option<&Path>) -> Result<Daemon> {
        Daemon::start_on(env, work, base, Kernel::Emulated)
    }

    /// As [`Daemon::start`], with containers on that kernel.
    ///
    /// # Errors
    /// When it does not listen within twenty seconds.
    pub fn start_on(env: &Env, work: &Path, base: Option<&Path>, kernel: Kernel) -> Result<Daemon> {
        // the path of a Unix socket must be short, and target/ may be deep
        let socket = std::env::temp_dir().join(format!("bottleship-{}.sock", std::process::id()));
        let _ = fs::remove_file(&socket);
        let log = work.join("daemon.log");
        let around = base.is_some() && can_surround();
        let daemon = |command: &mut Command| {
            command
                .args(["daemon", "--host", "tcp://127.0.0.1:0", "--host"])
                .arg(format!("unix://{}", socket.display()))
                .arg("--data")
                .arg(work.join("data"));
            if kernel == Kernel::Real {
                command.args(["--runtime", "oci"]);
            }
        };
        let mut command = if around {
            prepare(work)?;
            let mut command = Command::new("unshare");
            command.args(["-n", "-m", "bash", "-euc"]);
            command.arg(format!("{AROUND}\nshift 2; exec \"$@\""));
            command.arg("around").arg(work);
            command.arg(env.shared.join("oracle")).arg(&env.bottleship);
            command
        } else {
            Command::new(&env.bottleship)
        };
        daemon(&mut command);
        let output = fs::File::create(&log)?;
        command.stdout(output.try_clone()?).stderr(output);
        command.process_group(0); // so that all of it can be ended
        let child = command.spawn().context("can't start bottleship daemon")?;
        let mut daemon = Daemon {
            child,
            socket,
            log: log.clone(),
            kernel,
            reset: None,
        };
        daemon.listening(&log)?;
        if let (true, Some(base)) = (around, base) {
            daemon.seed(work, base)?;
        }
        Ok(daemon)
    }

    fn listening(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&self.socket).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the daemon ended at once ({status}); see {}", log.display());
            }
            if Instant::now() > deadline {
                bail!("the daemon does not listen; see {}", log.display());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Fills the registry with the base images as `library/…`, and keeps the state for [`Daemon::reset`].
    fn seed(&mut self, work: &Path, base: &Path) -> Result<()> {
        let script = format!(
            r#"set -e; docker load -q -i "{0}" >/dev/null
            for i in busybox:latest alpine:latest alpine:3.10 hello-world:latest; do
              docker tag $i 127.0.0.1:5000/library/$i
              docker push -q 127.0.0.1:5000/library/$i >/dev/null
              docker rmi 127.0.0.1:5000/library/$i >/dev/null
            done
            cp -r "{1}/registry/docker" "{1}/seed""#,
            base.display(),
            work.display()
        );
        let status = Command::new("bash")
            .args(["-c", &script])
            .env("DOCKER_HOST", self.host())
            .status()?;
        if !status.success() {
            bail!("can't push the base images to the registry ({status})");
        }
        self.reset = Some(format!(
            r#"rm -rf "{0}/registry/docker"; cp -r "{0}/seed" "{0}/registry/docker""#,
            work.display()
        ));
        Ok(())
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// For `DOCKER_HOST`, over TCP; unless registries surround the daemon, and its network is another one.
    ///
    /// # Errors
    /// When its log does not name the port.
    pub fn tcp(&self) -> Result<String> {
        let log = fs::read_to_string(&self.log)?;
        let address = log
            .lines()
            .find_map(|line| line.strip_prefix("API listen on 127.0.0.1:"));
        let port = address.context("the daemon's log names no TCP port")?;
        Ok(format!("tcp://127.0.0.1:{}", port.trim()))
    }

    /// Containers on the real kernel outlive a daemon that is killed: this one takes them away itself.
    fn ask_to_end(&mut self) {
        if let Some(daemon) = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(daemon, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.kernel == Kernel::Real {
            self.ask_to_end();
        }
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(group) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

/// Whether this machine can run the registries.
fn can_surround() -> bool {
    let missing: Vec<&str> = TOOLS
        .iter()
        .copied()
        .filter(|tool| !sh::has(tool))
        .collect();
    let root = rustix::process::geteuid().is_root();
    if root && missing.is_empty() && sh::has("docker") {
        return true;
    }
    println!(
        "note: no registries around the daemon ({}), so that steps which pull and push differ",
        if root {
            missing.join(" ")
        } else {
            "needs root".to_owned()
        }
    );
    false
}

/// The look-alike's certificate and the names that lead to it.
fn prepare(work: &Path) -> Result<()> {
    let hub = work.join("hub");
    fs::create_dir_all(&hub)?;
    fs::create_dir_all(work.join("registry"))?;
    fs::write(
        hub.join("hosts"),
        "127.0.0.1 localhost\n127.0.0.2 registry-1.docker.io auth.docker.io index.docker.io docker.io\n",
    )?;
    let names = "subjectAltName=DNS:registry-1.docker.io,DNS:auth.docker.io,DNS:index.docker.io,DNS:docker.io";
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
        ])
        .args(["-subj", "/CN=registry-1.docker.io", "-addext", names])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(&hub)
        .output()
        .context("can't run openssl")?;
    if !made.status.success() {
        bail!("openssl: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}
