//! Python distributions as wheels, out of Debian's packages: what `pip install` finds where PyPI can't be reached.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::debian::Package;
use super::python;
use super::tree::Tree;

/// Where Debian's packages put modules, and where `pip` does.
const FROM: &str = "usr/lib/python3/dist-packages/";
/// Where `pip` looks for wheels (the recipe's /etc/pip.conf).
pub const PLACE: &str = "usr/share/python-wheels";

/// A distribution that is becoming a wheel.
struct Wheel {
    /// As in its metadata, and of which package.
    name: String,
    version: String,
    package: String,
    /// Paths below site-packages.
    files: BTreeMap<String, Vec<u8>>,
    metadata: String,
    entry_points: Option<Vec<u8>>,
}

/// Makes wheels of packages, with modules compiled by `program` of `whole`: paths and contents.
pub fn wheels(
    packages: &[Package],
    whole: &Tree,
    program: &str,
    epoch: u64,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut all = Vec::new();
    for package in packages {
        let wheel = Wheel::read(package, epoch)
            .with_context(|| format!("{} can't be a wheel", package.name))?;
        all.push((package, wheel));
    }
    // Code knows the place that it was compiled for.
    let site = format!("usr/local/lib/{program}/dist-packages/");
    let mut tree = Tree::new(false, false, epoch);
    for (path, data) in all.iter().flat_map(|(_, wheel)| &wheel.files) {
        tree.file(&format!("{site}{path}"), data.as_slice(), 0o644, epoch);
    }
    let mut compiled: BTreeMap<String, Vec<u8>> = python::compile(&tree, whole, program, &[&site])?
        .into_iter()
        .filter_map(|(path, code)| Some((path.strip_prefix(&site)?.to_owned(), code)))
        .collect();
    let names: BTreeMap<String, String> = all
        .iter()
        .map(|(package, wheel)| (package.name.clone(), wheel.name.clone()))
        .collect();
    let mut out = Vec::new();
    for (package, mut wheel) in all {
        let modules: Vec<String> = wheel.files.keys().cloned().collect();
        for module in modules {
            let cached = python::cached(&module, program);
            if let Some((path, code)) = cached.and_then(|path| compiled.remove_entry(&path)) {
                wheel.files.insert(path, code);
            }
        }
        let needs = depends(&package.depends(), &names);
        out.push(wheel.pack(&needs));
    }
    Ok(out)
}

/// Which of the offered distributions a package depends on. Debian's packages leave that out of their metadata.
fn depends(depends: &str, names: &BTreeMap<String, String>) -> Vec<String> {
    depends
        .split(',')
        .filter_map(|one| one.split_whitespace().next())
        .filter_map(|name| names.get(name.split(':').next()?).cloned())
        .collect()
}

impl Wheel {
    fn read(package: &Package, epoch: u64) -> Result<Wheel> {
        let mut tree = Tree::new(false, false, epoch);
        tree.unpack(&package.files()?, &|_| false, epoch)?;
        let (mut files, mut info) = (BTreeMap::new(), BTreeMap::new());
        for (path, data) in tree.files(FROM) {
            let path = path.strip_prefix(FROM).unwrap_or(path);
            match path.split_once('/') {
                Some((dir, name)) if dir.ends_with("-info") => {
                    info.insert(name.to_owned(), data.to_vec());
                }
                _ => {
                    files.insert(path.to_owned(), data.to_vec());
                }
            }
        }
        let metadata = info
            .remove("METADATA")
            .or_else(|| info.remove("PKG-INFO"))
            .context("it has no metadata")?;
        let metadata = String::from_utf8(metadata).context("its metadata is not UTF-8")?;
        let field = |name: &str| {
            let value = metadata.lines().find_map(|line| line.strip_prefix(name));
            value.map(|value| value.trim().to_owned())
        };
        Ok(Wheel {
            name: field("Name:").context("its metadata has no name")?,
            version: field("Version:").context("its metadata has no version")?,
            package: package.name.clone(),
            files,
            entry_points: info.remove("entry_points.txt"),
            metadata,
        })
    }

    /// The wheel (the binary distribution format): its path, and a zip archive.
    fn pack(mut self, needs: &[String]) -> (String, Vec<u8>) {
        let mut name = String::new();
        for c in self.name.chars() {
            match c {
                '-' | '_' | '.' if name.ends_with('_') => {}
                '-' | '_' | '.' => name.push('_'),
                c => name.push(c),
            }
        }
        let stem = format!("{name}-{}", self.version);
        let native = self.files.keys().any(|path| path.ends_with(".so"));
        let tag = match native {
            true => "cp311-cp311-linux_x86_64",
            false => "py3-none-any",
        };
        let info = format!("{stem}.dist-info");
        let (head, text) = self
            .metadata
            .split_once("\n\n")
            .unwrap_or((&self.metadata, ""));
        let mut metadata = head.trim_end().to_owned();
        for need in needs {
            metadata.push_str(&format!("\nRequires-Dist: {need}"));
        }
        metadata.push_str(&format!("\n\n{text}"));
        let wheel = format!(
            "Wheel-Version: 1.0\nGenerator: bottleship (Debian's {})\nRoot-Is-Purelib: {}\nTag: {tag}\n",
            self.package, !native
        );
        self.files
            .insert(format!("{info}/METADATA"), metadata.into_bytes());
        self.files
            .insert(format!("{info}/WHEEL"), wheel.into_bytes());
        if let Some(points) = self.entry_points.take() {
            self.files
                .insert(format!("{info}/entry_points.txt"), points);
        }
        let mut record = String::new();
        for (path, data) in &self.files {
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(data));
            record.push_str(&format!("{path},sha256={hash},{}\n", data.len()));
        }
        record.push_str(&format!("{info}/RECORD,,\n"));
        let mut members: Vec<(String, Vec<u8>)> = self.files.into_iter().collect();
        members.push((format!("{info}/RECORD"), record.into_bytes()));
        (format!("{PLACE}/{stem}-{tag}.whl"), zip(&members))
    }
}

/// A zip archive of stored members (APPNOTE 6.3, 4.3.7, 4.3.12, 4.3.16): the image's layer compresses them. A layer
/// is far below the 4 GiB and 65535 members where another form begins.
fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let size = (data.len() as u32).to_le_bytes();
        let mut common = Vec::new();
        common.extend([20, 0, 0, 8, 0, 0]); // version 2.0, names are UTF-8, stored
        common.extend([0, 0, 0x21, 0]); // 1980-01-01, the first day that zip knows
        common.extend(crc.sum().to_le_bytes());
        common.extend(size);
        common.extend(size);
        common.extend((name.len() as u16).to_le_bytes());
        let offset = (out.len() as u32).to_le_bytes();
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend([0, 0]);
        out.extend(name.as_bytes());
        out.extend(data);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]); // made on Unix
        directory.extend(&common);
        directory.extend([0; 8]); // no extra field, comment, other disk, internal attributes
        directory.extend((0o100_644_u32 << 16).to_le_bytes());
        directory.extend(offset);
        directory.extend(name.as_bytes());
    }
    let (start, size) = (out.len() as u32, directory.len() as u32);
    let count = (members.len() as u16).to_le_bytes();
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend(size.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn wheel() -> (String, Vec<u8>) {
        let files = [
            ("pkg/__init__.py", "x = 1\n"),
            ("pkg/data.txt", "ünicode\n"),
        ];
        let wheel = Wheel {
            name: "Some.Thing--x".into(),
            version: "1.2".into(),
            package: "python3-some".into(),
            files: files
                .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
                .into(),
            metadata: "Metadata-Version: 2.1\nName: Some.Thing--x\nVersion: 1.2\n\nText.\n".into(),
            entry_points: None,
        };
        wheel.pack(&["other".to_owned()])
    }

    #[test]
    fn a_wheel_is_named_and_made_the_same_every_time() {
        let (path, bytes) = wheel();
        assert_eq!(
            path,
            "usr/share/python-wheels/Some_Thing_x-1.2-py3-none-any.whl"
        );
        assert_eq!(bytes, wheel().1);
    }

    #[test]
    fn python_reads_the_archive() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.whl");
        std::fs::write(&file, wheel().1).unwrap();
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None\n\
            for n in z.namelist(): print(n, len(z.read(n)))\n\
            print(z.read('Some_Thing_x-1.2.dist-info/METADATA').decode())";
        let Ok(output) = Command::new("python3")
            .args(["-c", script])
            .arg(&file)
            .output()
        else {
            eprintln!("skipped: there is no python3 to read it with");
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(text.contains("pkg/data.txt 9\n"), "{text}");
        assert!(
            text.contains("Version: 1.2\nRequires-Dist: other\n\nText.\n"),
            "{text}"
        );
    }

    #[test]
    fn what_a_package_depends_on_among_the_offered() {
        let names = [("python3-jinja2", "Jinja2"), ("python3-click", "click")]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .into();
        let line = "python3-jinja2 (>= 3.0), python3:any, libc6, python3-click:all | x";
        assert_eq!(depends(line, &names), ["Jinja2", "click"]);
    }
}
