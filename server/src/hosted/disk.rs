//! A session's disk: a sparse file with a file system in it, so that what a visitor fills is theirs alone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::oci::os;

/// A mounted disk; it is unmounted and removed when this is dropped.
pub struct Disk {
    image: PathBuf,
    at: PathBuf,
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .output()
        .with_context(|| format!("can't run {program}"))?;
    if !output.status.success() {
        bail!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

impl Disk {
    /// Makes a disk of so many bytes and files, and mounts it. The loop device goes with the mount, and the mount with
    /// the server.
    ///
    /// # Errors
    /// When there is no `mkfs.ext4`, or this machine has no loop devices.
    pub fn make(dir: &Path, name: &str, bytes: u64, inodes: u64) -> Result<Disk> {
        let disk = Disk {
            image: dir.join(format!("{name}.img")),
            at: dir.join(name),
        };
        release(&disk.image);
        let _ = fs::remove_file(&disk.image);
        File::create(&disk.image)
            .and_then(|file| file.set_len(bytes))
            .with_context(|| format!("can't make {}", disk.image.display()))?;
        fs::create_dir_all(&disk.at)?;
        let image = disk.image.display().to_string();
        let inodes = inodes.to_string();
        // A journal would be written for nobody: the disk does not outlast the session.
        run(
            "mkfs.ext4",
            &[
                "-q",
                "-F",
                "-m",
                "0",
                "-N",
                &inodes,
                "-O",
                "^has_journal",
                "-E",
                "lazy_itable_init=1,nodiscard",
                &image,
            ],
        )
        .context("e2fsprogs makes sessions' disks")?;
        let at = disk.at.display().to_string();
        run("mount", &["-o", "loop,noatime,nosuid", &image, &at])
            .context("a session's disk is a loop device")?;
        fs::set_permissions(
            &disk.at,
            std::os::unix::fs::PermissionsExt::from_mode(0o711),
        )?;
        Ok(disk)
    }

    /// Where its files are.
    pub fn path(&self) -> &Path {
        &self.at
    }
}

/// Lets go of the loop devices of an image. A mount that goes with its namespace lets go of its own, but not always at
/// once, and not when the `mount` that made it was cut short.
fn release(image: &Path) {
    let found = Command::new("losetup")
        .args(["--noheadings", "--output", "NAME", "--associated"])
        .arg(image)
        .output();
    for device in found
        .iter()
        .flat_map(|output| output.stdout.split(|byte| *byte == b'\n'))
    {
        let device = String::from_utf8_lossy(device);
        if !device.trim().is_empty() {
            // Still in use: then it goes with its last user.
            let _ = Command::new("losetup")
                .args(["--detach", device.trim()])
                .output();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        os::detach(&self.at);
        release(&self.image);
        let _ = fs::remove_file(&self.image);
        let _ = fs::remove_dir(&self.at);
    }
}
