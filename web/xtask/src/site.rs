//! The site: engine to wasm, page to a bundle, offered images to a static registry, all of it precompressed.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{setup, sh};

/// How much the compiler optimises.
#[derive(Clone, Copy, PartialEq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run.
    Release,
}

impl Profile {
    /// From `--dev` or nothing.
    pub fn from_args(args: &[String]) -> Result<Profile> {
        match args {
            [] => Ok(Profile::Release),
            [flag] if flag == "--dev" => Ok(Profile::Dev),
            [other, ..] => bail!("unknown argument {other:?}"),
        }
    }

    fn server(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Release => "release",
        }
    }

    fn web(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Release => "web",
        }
    }

    fn dir(profile: &str) -> &str {
        if profile == "dev" { "debug" } else { profile }
    }
}

/// Where the site is put.
pub fn dir() -> PathBuf {
    sh::target().join("site")
}

/// The `bottleship` program of a profile.
pub fn server_binary(profile: Profile) -> PathBuf {
    sh::target()
        .join(Profile::dir(profile.server()))
        .join("bottleship")
}

/// Builds the server and the site.
pub fn build(profile: Profile) -> Result<()> {
    let start = Instant::now();
    setup::wasm_target()?;
    setup::node_modules()?;
    server(profile)?;
    images(profile)?;
    wasm(profile, Names::Without)?;
    page()?;
    if profile == Profile::Release {
        compress()?;
    }
    eprintln!(
        "built in {:.0} s: {}",
        start.elapsed().as_secs_f64(),
        dir().display()
    );
    Ok(())
}

/// Builds what changes with the page, the engine in it included; the server and the images stay as they are. With
/// `--names` a browser's profiler tells the engine's functions apart; nothing is compressed then.
pub fn build_page(args: &[String]) -> Result<()> {
    let (names, args) = match args {
        [flag] if flag == "--names" => (Names::With, &[][..]),
        args => (Names::Without, args),
    };
    let profile = Profile::from_args(args)?;
    setup::wasm_target()?;
    setup::node_modules()?;
    wasm(profile, names)?;
    page()?;
    match (profile, names) {
        (Profile::Release, Names::Without) => compress(),
        _ => Ok(()),
    }
}

/// Whether the engine's module says what its functions are called: half as much again of its size.
#[derive(Clone, Copy, PartialEq)]
enum Names {
    With,
    Without,
}

/// Builds what native hosts need: the server, the host's files and the offered images.
pub fn native(profile: Profile) -> Result<()> {
    server(profile)?;
    images(profile)
}

fn server(profile: Profile) -> Result<()> {
    sh::run(sh::cargo().args([
        "build",
        "--locked",
        "-p",
        "bottleship",
        "--profile",
        profile.server(),
    ]))
}

/// The packages that are wasm modules of the page: the engine, and what only a lesson needs.
const MODULES: &[&str] = &["bottleship-web", "bottleship-web-lesson"];

/// Compiles the page's modules to wasm and makes their JavaScript glue in target/wasm. wasm-opt is left out: what it
/// saves of the engine it costs again once compressed (5.9 to 5.6 MB, but 1.51 to 1.59 MB as brotli), for minutes of
/// work.
fn wasm(profile: Profile, names: Names) -> Result<()> {
    let target = "wasm32-unknown-unknown";
    let mut build = sh::cargo();
    build.args(["build", "--locked", "--target", target]);
    build.args(["--profile", profile.web()]);
    build.args(MODULES.iter().flat_map(|package| ["-p", *package]));
    sh::run(&mut build)?;
    for package in MODULES {
        let built = sh::target()
            .join(target)
            .join(Profile::dir(profile.web()))
            .join(format!("{}.wasm", package.replace('-', "_")));
        wasm_bindgen_cli_support::Bindgen::new()
            .input_path(&built)
            .web(true)?
            .omit_default_module_path(false)
            .remove_name_section(profile == Profile::Release && names == Names::Without)
            .generate(sh::target().join("wasm"))
            .with_context(|| format!("can't make the JavaScript glue for {}", built.display()))?;
    }
    Ok(())
}

/// Bundles the page's JavaScript and copies static/.
fn page() -> Result<()> {
    let mut node = sh::command("node", &["web/build.mjs", "--wasm"]);
    node.arg(sh::target().join("wasm")).arg("--out").arg(dir());
    let host = dir().join("host.tar");
    if host.exists() {
        node.arg("--host").arg(host);
    }
    sh::run(&mut node)
}

/// Builds the offered images from their recipes into the site's registry.
fn images(profile: Profile) -> Result<()> {
    setup::debian(setup::Need::Images)?;
    let mut build = sh::command(server_binary(profile), &["images", "build", "--out"]);
    sh::run(build.arg(dir()))
}

/// Writes a .br and a .gz beside what compresses.
fn compress() -> Result<()> {
    let mut node = sh::command("node", &["web/compress.mjs"]);
    sh::run(node.arg(dir()))
}

/// Builds, then becomes the server.
pub fn serve(args: &[String]) -> Result<()> {
    let (profile, args) = match args.iter().position(|a| a == "--dev") {
        Some(at) => {
            let mut rest = args.to_vec();
            rest.remove(at);
            (Profile::Dev, rest)
        }
        None => (Profile::Release, args.to_vec()),
    };
    build(profile)?;
    let mut serve = sh::command(server_binary(profile), &["serve", "--site"]);
    serve
        .arg(dir())
        .arg("--data")
        .arg(sh::target().join("data"));
    sh::run(serve.args(&args))
}
