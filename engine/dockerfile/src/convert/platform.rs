//! Platforms: `linux/arm64/v8`.

use std::fmt;

use crate::error::{Error, Result};
use crate::goform;

/// An operating system, an architecture and its variant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v7`, or empty.
    pub variant: String,
}

impl Platform {
    /// A platform without variant.
    pub fn new(os: &str, architecture: &str) -> Self {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: String::new(),
        }
    }

    /// Reads a platform; `default` fills in what a lone word leaves out.
    ///
    /// # Errors
    /// containerd's messages.
    pub fn parse(text: &str, default: &Platform) -> Result<Platform> {
        let invalid =
            |what: &str| Error::new(format!("{}: {what}: invalid argument", goform::quote(text)));
        let parts: Vec<&str> = text.split('/').collect();
        let valid = |part: &&str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        };
        if text.contains('*') {
            return Err(invalid("wildcards not yet supported"));
        }
        if let Some(bad) = parts.iter().find(|p| !valid(p)) {
            return Err(Error::new(format!(
                "{} is an invalid component of {}: platform specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument",
                goform::quote(bad),
                goform::quote(text)
            )));
        }
        let mut out = match parts.as_slice() {
            [one] => {
                let lower = one.to_ascii_lowercase();
                if OSES.contains(&lower.as_str()) || lower == "macos" {
                    Platform {
                        os: lower,
                        ..default.clone()
                    }
                } else if ARCHES.contains(&normal_arch(&lower, "").0.as_str()) {
                    Platform::new(&default.os, &lower)
                } else {
                    return Err(invalid("unknown operating system or architecture"));
                }
            }
            [os, arch] => Platform::new(os, arch),
            [os, arch, variant] => Platform {
                variant: (*variant).to_owned(),
                ..Platform::new(os, arch)
            },
            _ => return Err(invalid("cannot parse platform specifier")),
        };
        out.normalize();
        Ok(out)
    }

    /// Brings names to their usual form.
    pub fn normalize(&mut self) {
        self.os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".into(),
            os => os.to_owned(),
        };
        (self.architecture, self.variant) = normal_arch(
            &self.architecture.to_ascii_lowercase(),
            &self.variant.to_ascii_lowercase(),
        );
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

const OSES: [&str; 14] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "solaris",
    "windows",
];

const ARCHES: [&str; 16] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv", "riscv64", "s390x", "sparc64", "wasm",
];

fn normal_arch(arch: &str, variant: &str) -> (String, String) {
    let (arch, variant) = match (arch, variant) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", v) => ("amd64", v),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", v) => ("arm64", v),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (arch.to_owned(), variant.to_owned())
}
