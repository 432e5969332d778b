//! Installs what building and testing need, where it can; says what to install where it can't.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::sh;

/// All of it.
pub fn everything() -> Result<()> {
    wasm_target()?;
    node_modules()?;
    debian(Need::Images)?;
    debian(Need::Tests)
}

/// Why Debian packages are wanted.
#[derive(Clone, Copy, PartialEq)]
pub enum Need {
    /// To build the offered images.
    Images,
    /// To run the tests.
    Tests,
    /// To compare with a real Docker's answers.
    Conformance,
}

impl Need {
    /// Program that shows that the package is there, and the package.
    fn packages(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Need::Images => &[("apt-get", "apt"), ("dpkg-deb", "dpkg")],
            Need::Tests => &[
                ("chromium", "chromium"),
                ("chromedriver", "chromium-driver"),
                ("busybox", "busybox-static"),
                ("crun", "crun"),
                ("ip", "iproute2"),
                ("mkfs.ext4", "e2fsprogs"),
                ("nft", "nftables"),
            ],
            Need::Conformance => &[
                ("docker", "docker.io"),
                ("docker-registry", "docker-registry"),
                ("busybox", "busybox-static"),
                ("python3", "python3"),
                ("gcc", "gcc"),
                ("openssl", "openssl"),
                ("ip", "iproute2"),
                ("skopeo", "skopeo"),
                ("umoci", "umoci"),
                ("curl", "curl"),
            ],
        }
    }
}

/// The compiler's wasm target. rust-toolchain.toml names it, and rustup brings it by itself only where automatic
/// installation is on.
pub fn wasm_target() -> Result<()> {
    if !sh::has("rustup") {
        return Ok(()); // a distribution's Rust: cargo's own message is the clearest
    }
    let installed = sh::command("rustup", &["target", "list", "--installed"])
        .output()
        .context("can't ask rustup for its targets")?;
    if !String::from_utf8_lossy(&installed.stdout).contains("wasm32-unknown-unknown") {
        sh::run(&mut sh::command(
            "rustup",
            &["target", "add", "wasm32-unknown-unknown"],
        ))?;
    }
    Ok(())
}

/// The page's npm packages, when the lock file changed since they were installed.
pub fn node_modules() -> Result<()> {
    if !sh::has("npm") {
        bail!("npm is not on the PATH: install Node.js 20 or newer");
    }
    let web = sh::root().join("web");
    let lock = fs::read(web.join("package-lock.json")).context("web/package-lock.json")?;
    let stamp = web.join("node_modules/.installed-from");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut npm = sh::command(
        "npm",
        &["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
    );
    sh::run(npm.current_dir(&web))?;
    fs::write(&stamp, lock).context("can't note which packages were installed")
}

/// Debian packages that are missing; as root by apt-get, else a message that names them.
///
/// # Errors
/// When the tests' packages are missing and can't be installed. Without those for images the site is built all the
/// same, without offered images, and says so; likewise with suites of the comparison.
pub fn debian(need: Need) -> Result<()> {
    let missing: Vec<&str> = need
        .packages()
        .iter()
        .filter(|(program, _)| !sh::has(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let root = rustix::process::geteuid().is_root();
    if root && sh::has("apt-get") {
        sh::run(&mut sh::command("apt-get", &["update", "-q"]))?;
        let mut install = sh::command("apt-get", &["install", "-qy", "--no-install-recommends"]);
        return sh::run(
            install
                .args(&missing)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        );
    }
    let message = format!("missing: {names}\n  on Debian: sudo apt-get install {names}");
    match need {
        Need::Tests => bail!(message),
        Need::Images => {
            eprintln!("{message}\nwithout it the offered images are not built");
            Ok(())
        }
        Need::Conformance => {
            eprintln!("{message}\nwithout it some suites are skipped");
            Ok(())
        }
    }
}
