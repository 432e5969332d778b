//! What every session's own host is made of: the site's host file system, and `docker`, which is this very program.

use std::fs;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use bottleship_engine::layer::{Limits, apply};
use sha2::{Digest as _, Sha256};

use crate::host::{HostFiles, HostKind};

/// Where the program and its libraries are in a session's host.
const PROGRAMS: &str = "usr/lib/bottleship";

/// The layers of a host, topmost first, made below `dir` when they are not there.
///
/// # Errors
/// When the site has no host, or this program can't be copied.
pub fn prepare(dir: &Path, site: &Path) -> Result<Vec<PathBuf>> {
    Ok(vec![tools(dir)?, root(dir, &site.join("host.tar"))?])
}

fn name(prefix: &str, bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("{prefix}-{hex}")
}

/// Makes a layer with `fill`, all of it or nothing.
fn layer(dir: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let made = dir.join(name);
    if made.exists() {
        return Ok(made);
    }
    let temporary = dir.join(format!(".new-{name}"));
    let _ = fs::remove_dir_all(&temporary);
    fs::create_dir_all(&temporary)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755))?;
    fill(&temporary)?;
    fs::rename(&temporary, &made)?;
    Ok(made)
}

fn root(dir: &Path, tar: &Path) -> Result<PathBuf> {
    let bytes = fs::read(tar).with_context(|| {
        format!(
            "can't read {}: build the site with `cargo xtask build`",
            tar.display()
        )
    })?;
    layer(dir, &name("host", &bytes), |to| {
        let files = HostFiles::of(HostKind {
            devices: false,
            base: 0,
        });
        let tree = files.tree(to)?;
        apply(BufReader::new(&bytes[..]), &tree.root, &Limits::default())
            .map_err(|error| anyhow::anyhow!("{}: {error}", tar.display()))?;
        Ok(())
    })
}

fn tools(dir: &Path) -> Result<PathBuf> {
    let program = std::env::current_exe().context("can't tell where this program is")?;
    let bytes = fs::read(&program)?;
    layer(dir, &name("tools", &bytes), |to| {
        let programs = to.join(PROGRAMS);
        fs::create_dir_all(&programs)?;
        fs::create_dir_all(to.join("usr/bin"))?;
        put(&programs.join("bottleship"), &bytes)?;
        let libraries = libraries(&program)?;
        let mut start = format!("exec /{PROGRAMS}/bottleship docker \"$@\"");
        for library in &libraries {
            let file = library.file_name().unwrap_or_default();
            put(&programs.join(file), &fs::read(library)?)?;
            if file.to_string_lossy().starts_with("ld-") {
                // A host without a C library has the program's own beside it.
                start = format!(
                    "exec /{PROGRAMS}/{} --library-path /{PROGRAMS} /{PROGRAMS}/bottleship docker \"$@\"",
                    file.to_string_lossy()
                );
            }
        }
        let script = format!("#!/bin/sh\n{start}\n");
        put(&to.join("usr/bin/docker"), script.as_bytes())
    })
}

fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(file, bytes).with_context(|| format!("can't write {}", file.display()))?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The libraries of a program, its loader among them; none when it is static.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .stdin(Stdio::piped())
        .output()
        .context("can't run ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.contains("statically linked") || said.contains("not a dynamic executable") {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for line in text.lines() {
        if line.contains("not found") {
            bail!("this program's library is missing: {}", line.trim());
        }
        let path = line
            .split_whitespace()
            .find(|word| word.starts_with('/'))
            .map(PathBuf::from);
        found.extend(path);
    }
    Ok(found)
}
