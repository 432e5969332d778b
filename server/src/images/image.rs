//! From a recipe to an image.

use std::io::Write;

use anyhow::{Context, Result, bail};
use bottleship_oci::config::{ContainerConfig, Empty, RawConfig};
use bottleship_oci::pattern::path_match;
use bottleship_oci::{
    Descriptor, DiffId, Digest, History, ImageConfig, Manifest, media_type, time,
};
use flate2::{Compression, GzBuilder};

use super::debian::{Apt, Package};
use super::hello;
use super::python;
use super::recipe::{File, Recipe};
use super::tree::Tree;
use super::wheels;

/// 2026-01-01: the default of `SOURCE_DATE_EPOCH`, in seconds since 1970.
const EPOCH: u64 = 1_767_225_600;
const SOURCE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/static/images");

/// A layer, compressed.
#[derive(Debug, Clone)]
pub struct Layer {
    pub diff_id: DiffId,
    pub gzip: Vec<u8>,
}

/// A built image.
pub struct Built {
    pub tags: Vec<String>,
    pub layers: Vec<Layer>,
    pub config: RawConfig,
    pub manifest: Vec<u8>,
    /// The top layer's tar.
    pub tar: Vec<u8>,
    /// Paths in the top layer.
    files: usize,
    /// All layers' files, and those left out of them.
    tree: Tree,
    packages: Vec<Package>,
}

impl Built {
    /// The digest that the image is pulled by.
    pub fn manifest_digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// Bytes that a pull transfers.
    pub fn transfer_size(&self) -> usize {
        self.layers.iter().map(|l| l.gzip.len()).sum()
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        format!(
            "{} ({} files, {} packages, {:.2} MB compressed)",
            self.manifest_digest(),
            self.files,
            self.packages.len(),
            self.transfer_size() as f64 / 1e6
        )
    }
}

fn epoch() -> Result<u64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text
            .parse()
            .context("SOURCE_DATE_EPOCH is not a number of seconds"),
        Err(_) => Ok(EPOCH),
    }
}

/// Builds an image, on top of `base` if the recipe has one.
pub fn build(recipe: &Recipe, base: Option<&Built>, apt: Option<&Apt>) -> Result<Built> {
    let epoch = epoch()?;
    let installed = base.map(|b| b.packages.as_slice()).unwrap_or_default();
    let mut packages = match apt {
        Some(apt) => apt.fetch(&recipe.packages, recipe.dependencies, installed)?,
        None if recipe.packages.is_empty() => Vec::new(),
        None => bail!("apt is needed"),
    };
    packages.retain(|p| !recipe.without.contains(&p.name));

    let mut layer = Tree::new(recipe.merged_usr, base.is_none(), epoch);
    let excluded = |path: &str| is_excluded(path, &recipe.exclude);
    // Everything, to copy out of what the image itself leaves out.
    let mut whole = base.map_or_else(
        || Tree::new(recipe.merged_usr, true, epoch),
        |b| b.tree.clone(),
    );
    for package in &packages {
        let files = package.files()?;
        let unpacked = || format!("can't unpack {}", package.name);
        let list = layer
            .unpack(&files, &excluded, epoch)
            .with_context(unpacked)?;
        whole
            .unpack(&files, &|_| false, epoch)
            .with_context(unpacked)?;
        if recipe.dpkg_database {
            dpkg_info(&mut layer, package, &list, epoch)?;
        }
    }
    let all: Vec<Package> = installed
        .iter()
        .cloned()
        .chain(packages.iter().cloned())
        .collect();
    if recipe.dpkg_database {
        let mut sorted: Vec<&Package> = all.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        let status: String = sorted.into_iter().map(Package::status).collect();
        layer.file("var/lib/dpkg/status", status, 0o644, epoch);
    }
    compose(recipe, &mut layer, &whole, epoch)?;
    if let Some(program) = &recipe.compile_python {
        let libraries = [
            &*format!("usr/lib/{program}/"),
            "usr/lib/python3/dist-packages/",
        ];
        for (path, code) in python::compile(&layer, &whole, program, &libraries)? {
            layer.file(&path, code, 0o644, epoch);
        }
        if let Some(apt) = apt {
            let offered = apt.fetch(&recipe.wheels, false, &[])?;
            for (path, wheel) in wheels::wheels(&offered, &whole, program, epoch)? {
                layer.file(&path, wheel, 0o644, epoch);
            }
        }
    }

    let tar = layer.tar()?;
    let mut layers = base.map(|b| b.layers.clone()).unwrap_or_default();
    layers.push(Layer {
        diff_id: DiffId(Digest::of(&tar)),
        gzip: gzip(&tar)?,
    });
    let tags = recipe
        .tags
        .iter()
        .map(|t| expand(t, &all))
        .collect::<Result<Vec<_>>>()?;
    let config = config(recipe, base, &layers, &all, &tags, epoch);
    let descriptors: Vec<Descriptor> = layers
        .iter()
        .map(|l| Descriptor::of(media_type::OCI_LAYER_GZIP, &l.gzip))
        .collect();
    let config_descriptor = Descriptor::of(media_type::OCI_CONFIG, &config.raw);
    let annotations = config
        .config
        .config
        .as_ref()
        .and_then(|c| c.labels.as_ref());
    let manifest = Manifest::oci_bytes(&config_descriptor, &descriptors, annotations);
    whole.unpack(&tar, &|_| false, epoch)?;
    Ok(Built {
        tags,
        layers,
        config,
        manifest,
        tar,
        files: layer.len(),
        tree: whole,
        packages: all,
    })
}

/// What the recipe adds to its packages' files.
fn compose(recipe: &Recipe, layer: &mut Tree, whole: &Tree, epoch: u64) -> Result<()> {
    for (path, mode) in &recipe.directories {
        layer.directory(path, *mode, epoch);
    }
    for (path, source) in &recipe.copies {
        let data = whole
            .read(source)
            .with_context(|| format!("{source}: no package ships it"))?
            .to_vec();
        layer.file(path, data, 0o644, epoch);
    }
    for (path, file) in &recipe.files {
        match file {
            File::Text(content) => layer.file(path, content.as_str(), 0o644, epoch),
            File::Full { content, mode } => layer.file(path, content.as_str(), *mode, epoch),
        }
    }
    for line in &recipe.users {
        add_user(layer, whole, line, epoch)?;
    }
    if let Some(path) = &recipe.hello {
        layer.file(path, hello::program(), 0o755, epoch);
    }
    if let Some(dir) = &recipe.applets {
        let busybox = layer
            .read("bin/busybox")
            .context("no package ships /bin/busybox")?;
        let target = if dir == "bin" || dir == "usr/bin" {
            "busybox"
        } else {
            "/bin/busybox"
        };
        for name in applets(busybox)? {
            let path = format!("{dir}/{name}");
            if !layer.contains(&path) {
                layer.symlink(&path, target, epoch);
            }
        }
    }
    for (path, target) in &recipe.links {
        layer.symlink(path, target, epoch);
    }
    for (path, owner) in &recipe.owners {
        let (uid, gid) = owner.split_once(':').context("an owner is uid:gid")?;
        layer.own(path, uid.parse()?, gid.parse()?)?;
    }
    Ok(())
}

/// Appends a line to /etc/passwd, and its group to /etc/group.
fn add_user(layer: &mut Tree, whole: &Tree, line: &str, epoch: u64) -> Result<()> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, _, gid, ..] = fields[..] else {
        bail!("{line:?} is no line of /etc/passwd");
    };
    let group = format!("{name}:x:{gid}:");
    for (path, line) in [("etc/passwd", line), ("etc/group", &group)] {
        let old = layer
            .read(path)
            .or_else(|| whole.read(path))
            .unwrap_or_default();
        let mut text = String::from_utf8(old.to_vec())?;
        text.push_str(line);
        text.push('\n');
        layer.file(path, text, 0o644, epoch);
    }
    Ok(())
}

/// dpkg's own files about an installed package.
fn dpkg_info(layer: &mut Tree, package: &Package, list: &[String], epoch: u64) -> Result<()> {
    let info = format!("var/lib/dpkg/info/{}", package.info_name());
    let mut lines = String::from("/.\n");
    for path in list {
        lines.push_str(path);
        lines.push('\n');
    }
    layer.file(&format!("{info}.list"), lines, 0o644, epoch);
    let mut control = Tree::default();
    control.unpack(&package.control_files()?, &|p| p == "control", epoch)?;
    for script in ["preinst", "postinst", "prerm", "postrm", "config"] {
        if let Some(data) = control.read(script) {
            layer.file(&format!("{info}.{script}"), data, 0o755, epoch);
        }
    }
    for other in [
        "conffiles",
        "md5sums",
        "triggers",
        "templates",
        "shlibs",
        "symbols",
    ] {
        if let Some(data) = control.read(other) {
            layer.file(&format!("{info}.{other}"), data, 0o644, epoch);
        }
    }
    Ok(())
}

/// Whether a pattern names the path or a directory above it. Licences are never left out.
fn is_excluded(path: &str, patterns: &[String]) -> bool {
    if path.starts_with("usr/share/doc/") && path.ends_with("/copyright") {
        return false;
    }
    let prefixes = path
        .match_indices('/')
        .map(|(i, _)| &path[..i])
        .chain([path]);
    prefixes.into_iter().any(|p| {
        patterns
            .iter()
            .any(|pattern| path_match(pattern, p).unwrap_or(false))
    })
}

/// The names of busybox's applets, out of the table of names in the program.
fn applets(busybox: &[u8]) -> Result<Vec<String>> {
    const START: &[u8] = b"\0[\0[[\0";
    let at = busybox
        .windows(START.len())
        .position(|w| w == START)
        .context("no table of applets in busybox")?;
    let table = &busybox[at + 1..];
    let end = table
        .windows(2)
        .position(|w| w == b"\0\0")
        .context("busybox's table of applets has no end")?;
    let names = table[..end].split(|b| *b == 0);
    names
        .map(|n| String::from_utf8(n.to_vec()).context("an applet's name is not UTF-8"))
        .filter(|n| !n.as_ref().is_ok_and(|n| n == "busybox"))
        .collect()
}

/// `{package}` → its upstream version.
fn expand(tag: &str, packages: &[Package]) -> Result<String> {
    match tag.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        None => Ok(tag.to_string()),
        Some(name) => {
            let package = packages.iter().find(|p| p.name == name);
            Ok(package
                .with_context(|| format!("tag {tag}: no such package"))?
                .upstream()
                .to_string())
        }
    }
}

fn gzip(tar: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(tar)?;
    Ok(encoder.finish()?)
}

fn config(
    recipe: &Recipe,
    base: Option<&Built>,
    layers: &[Layer],
    packages: &[Package],
    tags: &[String],
    epoch: u64,
) -> RawConfig {
    let created = time::format(i128::from(epoch) * 1_000_000_000);
    let inherited = base
        .and_then(|b| b.config.config.config.clone())
        .unwrap_or_default();
    let given = &recipe.config;
    let set = |list: &[String]| {
        let set: std::collections::BTreeMap<_, _> =
            list.iter().map(|p| (p.clone(), Empty {})).collect();
        (!set.is_empty()).then_some(set)
    };
    let words = |own: &Option<Vec<String>>, old: Option<Vec<String>>| own.clone().or(old);
    let run = ContainerConfig {
        env: if given.env.is_empty() {
            inherited.env
        } else {
            Some(given.env.clone())
        },
        cmd: words(&given.cmd, inherited.cmd),
        entrypoint: words(&given.entrypoint, inherited.entrypoint),
        user: given.user.clone(),
        working_dir: given.working_dir.clone(),
        exposed_ports: set(&given.exposed_ports),
        volumes: set(&given.volumes),
        stop_signal: given.stop_signal.clone(),
        labels: Some(labels(recipe, packages, tags)),
        ..Default::default()
    };
    let mut config = ImageConfig {
        architecture: "amd64".into(),
        os: "linux".into(),
        created: Some(created.clone()),
        ..Default::default()
    };
    config.rootfs.diff_ids = layers.iter().map(|l| l.diff_id.clone()).collect();
    config.history = base
        .map(|b| b.config.config.history.clone())
        .unwrap_or_default();
    let step = |created_by: String, empty_layer| History {
        created: Some(created.clone()),
        created_by,
        comment: "bottleship images build".into(),
        empty_layer,
        ..Default::default()
    };
    let what = if recipe.packages.is_empty() {
        "files".into()
    } else {
        recipe.packages.join(" ")
    };
    config
        .history
        .push(step(format!("ADD {what} / # {}.toml", recipe.name), false));
    let json = |w: &Vec<String>| {
        format!(
            "[{}]",
            w.iter()
                .map(|s| format!("{s:?}"))
                .collect::<Vec<_>>()
                .join(" ")
        )
    };
    for (name, words) in [("ENTRYPOINT", &given.entrypoint), ("CMD", &given.cmd)] {
        if let Some(words) = words {
            config
                .history
                .push(step(format!("{name} {}", json(words)), true));
        }
    }
    config.config = Some(run);
    RawConfig::new(config)
}

fn labels(
    recipe: &Recipe,
    packages: &[Package],
    tags: &[String],
) -> std::collections::BTreeMap<String, String> {
    let mut labels = recipe.config.labels.clone();
    let mut put = |key: &str, value: String| {
        if !value.is_empty() {
            labels.insert(key.into(), value);
        }
    };
    put("org.opencontainers.image.title", recipe.name.clone());
    put(
        "org.opencontainers.image.description",
        recipe.description.clone(),
    );
    put("org.opencontainers.image.licenses", recipe.licenses.clone());
    put(
        "org.opencontainers.image.source",
        format!("{SOURCE}/{}.toml", recipe.name),
    );
    put(
        "org.opencontainers.image.version",
        tags.last().cloned().unwrap_or_default(),
    );
    put(
        "io.bottleship.stand-in",
        recipe.stand_in.clone().unwrap_or_default(),
    );
    let list = |f: &dyn Fn(&Package) -> String| {
        let mut all: Vec<String> = packages.iter().map(f).collect();
        all.sort();
        all.dedup();
        all.join(" ")
    };
    put(
        "io.bottleship.debian.packages",
        list(&|p| format!("{}={}", p.name, p.version)),
    );
    put("io.bottleship.debian.sources", list(&|p| p.source.clone()));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions_take_what_is_below_but_no_licences() {
        let patterns = [
            "usr/share/doc".to_string(),
            "usr/share/man/??".into(),
            "*.pyc".into(),
        ];
        for (path, excluded) in [
            ("usr/share/doc", true),
            ("usr/share/doc/bash/changelog.gz", true),
            ("usr/share/doc/bash/copyright", false),
            ("usr/share/man/de/man1/x", true),
            ("usr/share/man/man1/x", false),
            ("x.pyc", true),
        ] {
            assert_eq!(is_excluded(path, &patterns), excluded, "{path}");
        }
    }

    #[test]
    fn applets_are_read_from_the_program() {
        let names = applets(b"junk\0[\0[[\0ash\0busybox\0cat\0\0junk").unwrap_or_default();
        assert_eq!(names, ["[", "[[", "ash", "cat"]);
        assert!(applets(b"nothing").is_err());
        assert!(applets(b"\0[\0[[\0ash").is_err());
    }
}
