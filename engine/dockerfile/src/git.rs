//! Git references as build contexts and as sources of ADD: `https://host/repo.git#ref:subdir`,
//! `git@host:repo.git?branch=main`.
//!
//! Nothing here reaches a command line: a reference is data for whoever fetches.

use crate::error::{Error, Result};
use crate::goform;

/// A Git reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitRef {
    /// The repository's address, without query and fragment.
    pub remote: String,
    /// The repository's directory name.
    pub short_name: String,
    /// Branch, tag or commit.
    pub reference: String,
    /// The commit it must be.
    pub checksum: String,
    /// Directory in the repository.
    pub subdir: String,
    /// `github.com/a/b`: might as well be a path.
    pub looks_local: bool,
    /// Fetched over an unencrypted connection.
    pub unencrypted: bool,
    /// `keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `submodules`.
    pub submodules: Option<bool>,
    /// `mtime`: `checkout` or `commit`.
    pub mtime: String,
    /// `fetch-by-commit`.
    pub fetch_by_commit: bool,
}

/// Why a string is no Git reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotGit {
    /// It is something else: a path, an HTTP address.
    Other,
    /// It is one, and wrong.
    Invalid(Error),
}

/// Reads a Git reference.
///
/// # Errors
/// See [`NotGit`].
pub fn parse(text: &str) -> std::result::Result<GitRef, NotGit> {
    let mut git = GitRef::default();
    let (without_fragment, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (address, query) = without_fragment
        .split_once('?')
        .unwrap_or((without_fragment, ""));
    if text.starts_with("./") || text.starts_with("../") {
        return Err(NotGit::Other);
    } else if text.starts_with("github.com/") {
        git.looks_local = true;
    } else if let Some((scheme, rest)) = scheme(address) {
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" if !path.ends_with(".git") => return Err(NotGit::Other),
            "http" | "git" => git.unencrypted = true,
            "https" | "ssh" => {}
            _ => return Err(NotGit::Other),
        }
    } else if !is_scp(address) {
        return Err(NotGit::Other);
    }
    git.remote = address.to_owned();
    let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    git.reference = reference.to_owned();
    git.subdir = subdir.to_owned();
    let last = git.remote.rsplit('/').next().unwrap_or_default();
    git.short_name = last.strip_suffix(".git").unwrap_or(last).to_owned();
    git.query(query).map_err(NotGit::Invalid)?;
    Ok(git)
}

fn scheme(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let ok = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    ok.then_some((scheme, rest))
}

/// `user@host:path`.
fn is_scp(address: &str) -> bool {
    let Some((user, rest)) = address.split_once('@') else {
        return false;
    };
    let Some((host, path)) = rest.split_once(':') else {
        return false;
    };
    let word = |s: &str, extra: &str| {
        s.chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    !user.is_empty()
        && word(user, "-_.")
        && !host.is_empty()
        && word(host, "-.")
        && !path.is_empty()
}

impl GitRef {
    fn query(&mut self, query: &str) -> Result<()> {
        let mut seen: Vec<String> = Vec::new();
        let (mut tag, mut branch) = (String::new(), String::new());
        for part in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let (key, value) = (percent_decode(key), percent_decode(value));
            let name = goform::quote(&key);
            if seen.contains(&key) {
                return Err(Error::new(format!("query {name} has multiple values")));
            }
            seen.push(key.clone());
            let boolean = |value: &str| match value {
                "" => Ok(true),
                value => goform::parse_bool(value).ok_or_else(|| {
                    Error::new(format!("invalid {key} value: {}", goform::quote(value)))
                }),
            };
            match key.as_str() {
                "keep-git-dir" => self.keep_git_dir = Some(boolean(&value)?),
                "submodules" => self.submodules = Some(boolean(&value)?),
                "fetch-by-commit" => self.fetch_by_commit = boolean(&value)?,
                _ if value.is_empty() => {
                    return Err(Error::new(format!("query {name} has no value")));
                }
                "ref" => agree("ref", &mut self.reference, &value)?,
                "tag" => tag = value,
                "branch" => branch = value,
                "subdir" => agree("subdir", &mut self.subdir, &value)?,
                "checksum" | "commit" => self.checksum = value,
                "mtime" if matches!(value.as_str(), "checkout" | "commit") => self.mtime = value,
                "mtime" => {
                    return Err(Error::new(format!(
                        "invalid mtime value: {}",
                        goform::quote(&value)
                    )));
                }
                _ => return Err(Error::new(format!("unexpected query {name}"))),
            }
        }
        if !tag.is_empty() && !branch.is_empty() {
            return Err(Error::new("branch conflicts with tag"));
        }
        for (name, prefix) in [(tag, "refs/tags/"), (branch, "refs/heads/")] {
            if name.is_empty() {
                continue;
            }
            let full = if name.starts_with(prefix) {
                name
            } else {
                format!("{prefix}{name}")
            };
            agree("ref", &mut self.reference, &full)?;
        }
        // A commit to fetch by is not a ref to resolve.
        if !self.checksum.is_empty() && self.reference.is_empty() && !self.fetch_by_commit {
            self.reference = self.checksum.clone();
        }
        Ok(())
    }
}

fn agree(what: &str, field: &mut String, value: &str) -> Result<()> {
    if !field.is_empty() && field != value {
        return Err(Error::new(format!(
            "{what} conflicts: {} vs {}",
            goform::quote(field),
            goform::quote(value)
        )));
    }
    *field = value.to_owned();
    Ok(())
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        let hex = |b: Option<u8>| b.and_then(|b| (b as char).to_digit(16));
        match (b, hex(ahead.next()), hex(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            (b'+', _, _) => out.push(b' '),
            (b, _, _) => out.push(b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
