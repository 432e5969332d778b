//! Python's library compiled beforehand, by the very Python of the image.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::tree::Tree;

const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu/";

/// The compiled form of the modules below `libraries` in `layer`, as paths and contents. `whole` has the program, its
/// shared libraries and its standard library. The code carries the hash of its source and is not checked against it,
/// so that it depends on nothing but the packages.
pub fn compile(
    layer: &Tree,
    whole: &Tree,
    program: &str,
    libraries: &[&str],
) -> Result<Vec<(String, Vec<u8>)>> {
    let dir = tempfile::tempdir()?;
    compile_in(dir.path(), layer, whole, program, libraries)
        .with_context(|| format!("can't compile for {program}"))
}

/// Where the compiled form of a module is kept.
pub fn cached(module: &str, program: &str) -> Option<String> {
    let stem = module.strip_suffix(".py")?;
    let (parent, name) = match stem.rsplit_once('/') {
        Some((parent, name)) => (format!("{parent}/"), name),
        None => (String::new(), stem),
    };
    let tag = format!("c{}", program.replace('.', "").replace("python", "python-"));
    Some(format!("{parent}__pycache__/{name}.{tag}.pyc"))
}

fn compile_in(
    dir: &Path,
    layer: &Tree,
    whole: &Tree,
    program: &str,
    libraries: &[&str],
) -> Result<Vec<(String, Vec<u8>)>> {
    let binary = format!("usr/bin/{program}");
    let standard = format!("usr/lib/{program}/");
    let modules = || libraries.iter().flat_map(|library| layer.files(library));
    for (path, data) in whole
        .files(LIBRARIES)
        .chain(whole.files(&binary))
        .chain(whole.files(&standard))
        .chain(modules())
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
        .args(libraries.iter().map(|library| dir.join(library)))
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
    for (path, _) in modules() {
        let Some(cached) = cached(path, program) else {
            continue;
        };
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
