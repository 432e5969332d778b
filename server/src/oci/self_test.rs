//! A container to try the runtime with, before anything depends on it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::pipe::PipeFlags;
use serde_json::json;

use super::Machine;
use super::seccomp;
use crate::images::hello;

const ID: &str = "bottleship-trial";

/// Runs the hello-world program in namespaces, a control group and a seccomp filter, and returns how long it took.
///
/// # Errors
/// What the runtime says, or that what came out isn't what the program says.
pub fn run(machine: &Machine) -> Result<Duration> {
    let bundle = machine.run.join("trial");
    let _ = fs::remove_dir_all(&bundle);
    let result = run_in(machine, &bundle);
    let _ = machine.cli.call(&["delete", "--force", ID], None);
    machine.layout.remove(&format!("{}/{ID}", machine.cgroup));
    let _ = fs::remove_dir_all(&bundle);
    result
}

fn run_in(machine: &Machine, bundle: &Path) -> Result<Duration> {
    let root = bundle.join("rootfs");
    for dir in ["proc", "dev", "sys"] {
        fs::create_dir_all(root.join(dir))?;
    }
    let program = root.join("hello");
    fs::write(&program, hello::program())?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let document = json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["/hello"],
            "env": ["PATH=/"],
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": { "path": root, "readonly": true },
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
        ],
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" },
            ],
            "cgroupsPath": format!("{}/{ID}", machine.cgroup),
            "resources": { "pids": { "limit": 8 } },
            "seccomp": seccomp::profile(&[]),
        },
    });
    fs::write(bundle.join("config.json"), serde_json::to_vec(&document)?)?;
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
    let (stdin, _) = pipe()?;
    let (output, stdout) = pipe()?;
    let stderr = stdout.try_clone()?;
    let started = Instant::now();
    let path = bundle.display().to_string();
    machine
        .cli
        .call(
            &["create", "--bundle", &path, ID],
            Some([stdin, stdout, stderr]),
        )
        .context("create")?;
    machine.cli.call(&["start", ID], None).context("start")?;
    let mut said = String::new();
    // It writes less than a pipe holds, and ends.
    File::from(output)
        .take(64 << 10)
        .read_to_string(&mut said)
        .context("its output")?;
    if said != hello::TEXT {
        bail!("the trial container said {said:?}");
    }
    Ok(started.elapsed())
}
