//! Python's library compiled beforehand, by the very Python of the image.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::tree::Tree;

const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu/";

/// The compiled form of `usr/lib/PROGRAM`'s modules in `layer`, as paths and contents. `whole` has
/// the program and its shared libraries. The code carries the hash of its source and is not checked
/// against it, so that it depends on nothing but the packages.
pub fn compile(layer: &Tree, whole: &Tree, program: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let dir = std::env::temp_dir().join(format!("bottleship-python-{}", std::process::id()));
    let compiled = compile_in(&dir, layer, whole, program);
    let _ = std::fs::remove_dir_all(&dir);
    compiled.with_context(|| format!("can't compile the library of {program}"))
}

fn compile_in(
    dir: &Path,
    layer: &Tree,
    whole: &Tree,
    program: &str,
) -> Result<Vec<(String, Vec<u8>)>> {
    let binary = format!("usr/bin/{program}");
    let library = format!("usr/lib/{program}/");
    for (path, data) in whole
        .files(LIBRARIES)
        .chain(whole.files(&binary))
        .chain(layer.files(&library))
    {
        write(&dir.join(path), data)?;
    }
    for (path, to) in whole.links(LIBRARIES).filter(|(_, to)| !to.contains('/')) {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        symlink(to, path)?;
    }
    let output = Command::new(dir.join(LIBRARIES).join("ld-linux-x86-64.so.2"))
        .arg("--library-path")
        .arg(dir.join(LIBRARIES))
        .arg(dir.join(&binary))
        .args([
            "-S",
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "-p",
            "/",
            "-s",
        ])
        .arg(dir)
        .arg(dir.join(&library))
        .env_clear()
        .env("PYTHONHOME", dir.join("usr"))
        .env("PYTHONHASHSEED", "0")
        // What it imports itself would be cached with the time of this build.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .context("can't run it (the packages are for x86-64 Linux)")?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!("{}", String::from_utf8_lossy(&text).trim());
    }
    let mut compiled = Vec::new();
    for (path, _) in layer.files(&library) {
        let Some(stem) = path.strip_suffix(".py") else {
            continue;
        };
        let (parent, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let tag = format!("c{}", program.replace('.', "").replace("python", "python-"));
        let cached = format!("{parent}/__pycache__/{name}.{tag}.pyc");
        let code =
            std::fs::read(dir.join(&cached)).with_context(|| format!("{cached} was not made"))?;
        compiled.push((cached, code));
    }
    Ok(compiled)
}

fn write(path: &Path, data: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, data).with_context(|| format!("can't write {}", path.display()))?;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(0o755),
    )?)
}
