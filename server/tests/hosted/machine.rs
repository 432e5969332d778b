//! What tests of hosted sessions need of the machine, and a site for the server.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The runtimes there are, as the configuration names them; none where sessions can't be.
pub fn runtimes() -> Vec<(String, String)> {
    if !Path::new("/proc/self/ns/user").exists() || std::fs::metadata("/proc/1").is_err() {
        println!("skipped: no namespaces here");
        return Vec::new();
    }
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if id.stdout != b"0\n" {
        println!("skipped: hosted sessions need root");
        return Vec::new();
    }
    for program in ["ip", "mkfs.ext4", "unshare", "busybox"] {
        let found = Command::new("sh")
            .args([
                "-c",
                &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}"),
            ])
            .output()
            .expect("sh runs");
        if !found.status.success() {
            println!("skipped: {program} is not installed");
            return Vec::new();
        }
    }
    let version = |name: &str| {
        let output = Command::new("sh")
            .args([
                "-c",
                &format!("PATH=$PATH:/usr/sbin:/sbin {name} --version"),
            ])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().next()?.rsplit(' ').next()?.to_owned();
        Some((name.to_owned(), format!("{name} {version}")))
    };
    let found: Vec<_> = ["crun", "runc"].into_iter().filter_map(version).collect();
    if found.is_empty() {
        println!("skipped: neither crun nor runc is installed");
    }
    found
}

pub fn with_each(test: impl Fn(&Path, &Path, &(String, String))) {
    for runtime in runtimes() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        let site = site(dir.path());
        println!("with {}", runtime.1);
        test(dir.path(), &site, &runtime);
    }
}

/// A site with nothing but a page and a host whose only program is busybox.
pub fn site(dir: &Path) -> PathBuf {
    let site = dir.join("site");
    std::fs::create_dir_all(&site).expect("a directory");
    std::fs::write(site.join("index.html"), "<!doctype html>").expect("a page");
    let mut tar = tar::Builder::new(Vec::new());
    let busybox = std::fs::read("/bin/busybox").expect("busybox");
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, data: &[u8], link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(data.len() as u64);
        match kind {
            tar::EntryType::Symlink => tar.append_link(&mut header, path, link),
            _ => tar.append_data(&mut header, path, data),
        }
        .expect("an entry");
    };
    for dir in [
        "bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var", "mnt",
    ] {
        add(
            dir,
            tar::EntryType::Directory,
            if dir == "tmp" { 0o1777 } else { 0o755 },
            b"",
            "",
        );
    }
    add("bin/busybox", tar::EntryType::Regular, 0o755, &busybox, "");
    let applets = Command::new("busybox")
        .arg("--list")
        .output()
        .expect("applets")
        .stdout;
    for applet in String::from_utf8_lossy(&applets)
        .lines()
        .filter(|name| *name != "busybox")
    {
        add(
            &format!("bin/{applet}"),
            tar::EntryType::Symlink,
            0o777,
            b"",
            "busybox",
        );
    }
    add("var/run", tar::EntryType::Symlink, 0o777, b"", "/run");
    add(
        "etc/passwd",
        tar::EntryType::Regular,
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\n",
        "",
    );
    let tar = tar.into_inner().expect("a tar");
    std::fs::write(site.join("host.tar"), tar).expect("written");
    site
}

/// Every file below a directory with what it is.
pub fn fingerprint(dir: &Path) -> BTreeMap<PathBuf, (u32, u32, u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).expect("readable").flatten() {
            let meta = entry.metadata().expect("readable");
            if meta.is_dir() {
                pending.push(entry.path());
            }
            let content = match meta.is_file() {
                true => std::fs::read(entry.path()).expect("readable"),
                false => Vec::new(),
            };
            found.insert(
                entry.path(),
                (meta.mode(), meta.uid(), meta.size(), content),
            );
        }
    }
    found
}
