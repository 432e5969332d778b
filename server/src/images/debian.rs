//! Debian packages, by apt and dpkg-deb, without root and without running anything of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use bottleship_oci::Digest;

/// apt, with state of its own below the cache directory.
pub struct Apt {
    dir: PathBuf,
}

/// A downloaded package.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, with epoch and revision.
    pub version: String,
    /// Its architecture, `amd64` or `all`.
    pub architecture: String,
    /// The source package and version it was built from.
    pub source: String,
    /// The control stanza.
    pub control: String,
    path: PathBuf,
}

impl Apt {
    /// Checks that apt and dpkg-deb are there, and fetches the package lists if there are none yet
    /// or `update` asks for new ones.
    pub fn open(cache: &Path, update: bool) -> Result<Apt> {
        for program in ["apt-get", "dpkg-deb"] {
            let there = Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if !there.is_ok_and(|s| s.success()) {
                bail!(
                    "{program} is not on the PATH. Images made of Debian packages are built on Debian; \
                     elsewhere, copy target/site/v2 from a machine that has it"
                );
            }
        }
        std::fs::create_dir_all(cache)
            .with_context(|| format!("can't make {}", cache.display()))?;
        let dir = std::path::absolute(cache)?.join("apt");
        let apt = Apt { dir };
        for sub in ["state/lists/partial", "cache/archives/partial"] {
            let path = apt.dir.join(sub);
            std::fs::create_dir_all(&path)
                .with_context(|| format!("can't make {}", path.display()))?;
        }
        let lists = apt.dir.join("state/lists");
        let empty = !std::fs::read_dir(&lists)?
            .flatten()
            .any(|e| e.file_name().to_string_lossy().contains("Packages"));
        if empty || update {
            apt.status(&[])?;
            apt.run(&["update", "-q"])?;
        }
        Ok(apt)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        let dir = self.dir.display();
        for option in [
            format!("Dir::State={dir}/state"),
            format!("Dir::State::status={dir}/state/status"),
            format!("Dir::Cache={dir}/cache"),
            "Debug::NoLocking=true".into(),
            "APT::Install-Recommends=false".into(),
            "APT::Architecture=amd64".into(),
            "APT::Architectures::=amd64".into(),
            "APT::Sandbox::User=".into(),
        ] {
            command.args(["-o", &option]);
        }
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C");
        command
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        let output = self
            .command()
            .args(args)
            .output()
            .context("can't run apt-get")?;
        if !output.status.success() {
            bail!(
                "apt-get {}: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Tells apt which packages are installed already.
    fn status(&self, installed: &[Package]) -> Result<()> {
        let status: String = installed.iter().map(Package::status).collect();
        std::fs::write(self.dir.join("state/status"), status)
            .context("can't write apt's status file")
    }

    /// Downloads packages, perhaps with what they depend on beyond `installed`, sorted by name.
    pub fn fetch(
        &self,
        names: &[String],
        dependencies: bool,
        installed: &[Package],
    ) -> Result<Vec<Package>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        self.status(installed)?;
        let mut wanted = names.to_vec();
        if dependencies {
            let mut args = vec!["install", "-y", "--simulate"];
            args.extend(names.iter().map(String::as_str));
            wanted = self.run(&args)?.lines().filter_map(simulated).collect();
        }
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let listing = self.run(&[&["download", "--print-uris"], &wanted[..]].concat())?;
        let files: Vec<Listed> = listing.lines().filter_map(Listed::parse).collect();
        if files.len() < wanted.len() {
            bail!(
                "apt-get found {} of {} packages: {}",
                files.len(),
                wanted.len(),
                wanted.join(" ")
            );
        }
        let archives = self.dir.join("cache/archives");
        if files.iter().any(|f| !archives.join(&f.name).is_file()) {
            // `download` writes to the working directory.
            let output = self
                .command()
                .arg("download")
                .args(&wanted)
                .current_dir(&archives)
                .output()?;
            if !output.status.success() {
                bail!(
                    "apt-get download: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
            }
        }
        let mut packages = BTreeMap::new();
        for file in files {
            let path = archives.join(&file.name);
            let bytes = std::fs::read(&path)
                .with_context(|| format!("apt-get did not fetch {}", path.display()))?;
            if !file.digest.verifies(&bytes) {
                std::fs::remove_file(&path)?;
                bail!(
                    "{} does not match its checksum and was removed: try again",
                    path.display()
                );
            }
            let package = Package::read(path)?;
            packages.insert(package.name.clone(), package);
        }
        Ok(packages.into_values().collect())
    }
}

/// A line of `apt-get --simulate`, `Inst name (version …`, as `name=version`.
fn simulated(line: &str) -> Option<String> {
    let mut words = line.strip_prefix("Inst ")?.split_whitespace();
    let name = words.next()?;
    let version = words.find_map(|w| w.strip_prefix('('))?;
    Some(format!("{name}={version}"))
}

/// A line of `apt-get --print-uris`: `'uri' file size SHA256:hex`.
struct Listed {
    name: String,
    digest: Digest,
}

impl Listed {
    fn parse(line: &str) -> Option<Listed> {
        let mut words = line.strip_prefix('\'')?.split_whitespace();
        let (name, hash) = (words.nth(1)?, words.nth(1)?);
        let digest = format!("sha256:{}", hash.strip_prefix("SHA256:")?)
            .parse()
            .ok()?;
        (!name.contains('/')).then(|| Listed {
            name: name.into(),
            digest,
        })
    }
}

impl Package {
    fn read(path: PathBuf) -> Result<Package> {
        let control = String::from_utf8(dpkg_deb("--field", &path)?)
            .context("a control file is not UTF-8")?;
        let field = |name: &str| {
            control
                .lines()
                .find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_string)
        };
        let name = field("Package").context("a package has no name")?;
        let version = field("Version").context("a package has no version")?;
        let source = match field("Source") {
            Some(s) => match s.split_once(" (") {
                Some((source, version)) => format!("{source}={}", version.trim_end_matches(')')),
                None => format!("{s}={version}"),
            },
            None => format!("{name}={version}"),
        };
        let architecture = field("Architecture").unwrap_or_default();
        Ok(Package {
            name,
            version,
            architecture,
            source,
            control,
            path,
        })
    }

    /// The version without epoch and Debian revision: `1:1.35.0-4+b1` → `1.35.0`.
    pub fn upstream(&self) -> &str {
        let version = self
            .version
            .split_once(':')
            .map_or(self.version.as_str(), |(_, v)| v);
        let version = version.rsplit_once('-').map_or(version, |(v, _)| v);
        version.split(['+', '~']).next().unwrap_or(version)
    }

    /// What it says it depends on.
    pub fn depends(&self) -> String {
        let line = self
            .control
            .lines()
            .find_map(|line| line.strip_prefix("Depends: "));
        line.unwrap_or_default().to_owned()
    }

    /// The package's files as a tar.
    pub fn files(&self) -> Result<Vec<u8>> {
        dpkg_deb("--fsys-tarfile", &self.path)
    }

    /// The package's control files as a tar.
    pub fn control_files(&self) -> Result<Vec<u8>> {
        dpkg_deb("--ctrl-tarfile", &self.path)
    }

    /// The stanza of dpkg's status file for an installed package.
    pub fn status(&self) -> String {
        let (first, rest) = self.control.split_once('\n').unwrap_or((&self.control, ""));
        format!(
            "{first}\nStatus: install ok installed\n{}\n\n",
            rest.trim_end()
        )
    }

    /// The name of its files below `/var/lib/dpkg/info`.
    pub fn info_name(&self) -> String {
        let same = self.control.lines().any(|l| l == "Multi-Arch: same");
        if same {
            format!("{}:{}", self.name, self.architecture)
        } else {
            self.name.clone()
        }
    }
}

fn dpkg_deb(action: &str, path: &Path) -> Result<Vec<u8>> {
    let output = Command::new("dpkg-deb")
        .arg(action)
        .arg(path)
        .output()
        .context("can't run dpkg-deb")?;
    if !output.status.success() {
        bail!(
            "dpkg-deb {action} {}: {}",
            path.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_listing_is_read() {
        let hex = "a".repeat(64);
        let listed = Listed::parse(&format!("'x:/y.deb' y_1%3a2_amd64.deb 12 SHA256:{hex}"));
        assert_eq!(listed.map(|l| l.name), Some("y_1%3a2_amd64.deb".into()));
        for bad in [
            "",
            "Reading lists",
            "'x' ../y 12 SHA256:00",
            "'x' y 12 MD5Sum:00",
        ] {
            assert!(Listed::parse(bad).is_none());
        }
    }

    #[test]
    fn apts_simulation_is_read() {
        let line = "Inst bash [5.1] (5.2.15-2+b13 Debian:12.11/stable [amd64])";
        assert_eq!(simulated(line).as_deref(), Some("bash=5.2.15-2+b13"));
        assert_eq!(simulated("Conf bash (5.2)"), None);
    }

    #[test]
    fn upstream_versions() {
        for (version, upstream) in [
            ("1:1.35.0-4+deb12u1+b1", "1.35.0"),
            ("12.4+deb12u15", "12.4"),
            ("5.2.15-2+b13", "5.2.15"),
        ] {
            let package = Package {
                name: "x".into(),
                version: version.into(),
                architecture: "amd64".into(),
                source: String::new(),
                control: String::new(),
                path: PathBuf::new(),
            };
            assert_eq!(package.upstream(), upstream);
        }
    }
}
