//! A file tree in memory, and its deterministic tar.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, bail};
use tar::{Archive, Builder, EntryType, Header};

/// Debian's directories that are links into `/usr`.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];
const FILE_LIMIT: u64 = 1 << 30;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(String),
    /// Another name of the file at this path.
    Hardlink(String),
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// Paths without leading slash, parents before children.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
    merged_usr: bool,
}

impl Tree {
    /// An empty tree; with `merged_usr`, `/bin` and the like are links into `/usr`.
    pub fn new(merged_usr: bool, links: bool, epoch: u64) -> Tree {
        let mut tree = Tree {
            nodes: BTreeMap::new(),
            merged_usr,
        };
        if merged_usr && links {
            for name in MERGED {
                tree.directory(&format!("usr/{name}"), 0o755, epoch);
                let link = Node {
                    mode: 0o777,
                    ..node(Kind::Symlink(format!("usr/{name}")), epoch)
                };
                tree.nodes.insert(name.to_string(), link);
            }
        }
        tree
    }

    /// The path as the tree stores it.
    fn place(&self, path: &str) -> String {
        let path = path.trim_start_matches("./").trim_matches('/');
        match path.split_once('/') {
            Some((first, rest)) if self.merged_usr && MERGED.contains(&first) => {
                format!("usr/{first}/{rest}")
            }
            _ => path.to_string(),
        }
    }

    /// Adds the members of a package's tar, but for those that `exclude` names; returns the paths
    /// taken, as dpkg lists them.
    pub fn unpack(
        &mut self,
        tar: &[u8],
        exclude: &dyn Fn(&str) -> bool,
        epoch: u64,
    ) -> Result<Vec<String>> {
        let mut listed = Vec::new();
        for entry in Archive::new(tar).entries()? {
            let mut entry = entry?;
            let name = String::from_utf8(entry.path_bytes().into_owned())
                .context("a path is not UTF-8")?;
            let path = self.place(&name);
            if path.split('/').any(|part| part == "..") {
                bail!("{name:?} leaves the tree");
            }
            if path.is_empty() || path == "." || exclude(&path) {
                continue;
            }
            listed.push(format!(
                "/{}",
                name.trim_start_matches("./").trim_end_matches('/')
            ));
            let link = |e: &tar::Entry<'_, &[u8]>| -> Result<String> {
                let link = e.link_name_bytes().context("a link has no target")?;
                String::from_utf8(link.into_owned()).context("a link's target is not UTF-8")
            };
            let kind = match entry.header().entry_type() {
                EntryType::Directory if self.merged_usr && MERGED.contains(&path.as_str()) => {
                    continue;
                }
                EntryType::Directory => Kind::Directory,
                EntryType::Regular => {
                    let mut data = Vec::new();
                    entry.by_ref().take(FILE_LIMIT).read_to_end(&mut data)?;
                    Kind::File(data)
                }
                EntryType::Symlink => Kind::Symlink(link(&entry)?),
                EntryType::Link => Kind::Hardlink(self.place(&link(&entry)?)),
                other => bail!("{name:?} is a {other:?}, which packages do not ship"),
            };
            let header = entry.header();
            let new = Node {
                kind,
                mode: header.mode()? & 0o7777,
                uid: header.uid()?,
                gid: header.gid()?,
                mtime: header.mtime()?.min(epoch),
            };
            let known_directory = new.kind == Kind::Directory
                && self
                    .nodes
                    .get(&path)
                    .is_some_and(|n| matches!(n.kind, Kind::Directory | Kind::Symlink(_)));
            if !known_directory {
                self.parents(&path, epoch);
                self.nodes.insert(path, new);
            }
        }
        Ok(listed)
    }

    /// Adds a directory and its parents; an existing one gets the mode.
    pub fn directory(&mut self, path: &str, mode: u32, epoch: u64) {
        let path = self.place(path);
        self.parents(&path, epoch);
        let entry = self
            .nodes
            .entry(path)
            .or_insert_with(|| node(Kind::Directory, epoch));
        entry.mode = mode;
    }

    /// Adds a file and its parents.
    pub fn file(&mut self, path: &str, data: impl Into<Vec<u8>>, mode: u32, epoch: u64) {
        let path = self.place(path);
        self.parents(&path, epoch);
        self.nodes.insert(
            path,
            Node {
                mode,
                ..node(Kind::File(data.into()), epoch)
            },
        );
    }

    /// Adds a symbolic link and its parents.
    pub fn symlink(&mut self, path: &str, target: &str, epoch: u64) {
        let path = self.place(path);
        self.parents(&path, epoch);
        self.nodes.insert(
            path,
            Node {
                mode: 0o777,
                ..node(Kind::Symlink(target.into()), epoch)
            },
        );
    }

    fn parents(&mut self, path: &str, epoch: u64) {
        for (i, _) in path.match_indices('/') {
            self.nodes
                .entry(path[..i].to_string())
                .or_insert_with(|| node(Kind::Directory, epoch));
        }
    }

    /// Gives a path to a user.
    pub fn own(&mut self, path: &str, uid: u64, gid: u64) -> Result<()> {
        let path = self.place(path);
        let found = self
            .nodes
            .get_mut(&path)
            .with_context(|| format!("no {path} to own"))?;
        (found.uid, found.gid) = (uid, gid);
        Ok(())
    }

    /// A regular file's content.
    pub fn read(&self, path: &str) -> Option<&[u8]> {
        match &self.nodes.get(&self.place(path))?.kind {
            Kind::File(data) => Some(data),
            Kind::Hardlink(to) => self.read(to),
            _ => None,
        }
    }

    /// Whether there is anything at that path.
    pub fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(&self.place(path))
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Regular files whose paths begin so.
    pub fn files<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let paths = self
            .nodes
            .keys()
            .filter(move |path| path.starts_with(prefix));
        paths.filter_map(|path| Some((path.as_str(), self.read(path)?)))
    }

    /// Symbolic links whose paths begin so, and where they lead.
    pub fn links<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.nodes
            .iter()
            .filter_map(move |(path, node)| match &node.kind {
                Kind::Symlink(to) if path.starts_with(prefix) => Some((path.as_str(), to.as_str())),
                _ => None,
            })
    }

    /// The tree as a tar, sorted by path.
    pub fn tar(&self) -> Result<Vec<u8>> {
        let mut builder = Builder::new(Vec::new());
        // The first name of a file in the tar is the file, whichever name the package chose.
        let mut first_names: BTreeMap<&str, &str> = BTreeMap::new();
        for (path, node) in &self.nodes {
            let mut header = Header::new_ustar();
            header.set_mode(node.mode);
            header.set_uid(node.uid);
            header.set_gid(node.gid);
            header.set_mtime(node.mtime);
            header.set_size(0);
            let mut target = None;
            let mut data: &[u8] = &[];
            match &node.kind {
                Kind::Directory => header.set_entry_type(EntryType::Directory),
                Kind::Symlink(to) => target = Some((EntryType::Symlink, to.as_str())),
                Kind::File(_) | Kind::Hardlink(_) => {
                    let file = match &node.kind {
                        Kind::Hardlink(to) => to.as_str(),
                        _ => path.as_str(),
                    };
                    match first_names.get(file) {
                        Some(first) => target = Some((EntryType::Link, first)),
                        None => {
                            first_names.insert(file, path);
                            data = self
                                .read(file)
                                .with_context(|| format!("{path}: links to nothing"))?;
                            header.set_entry_type(EntryType::Regular);
                            header.set_size(data.len() as u64);
                        }
                    }
                }
            }
            let name = if node.kind == Kind::Directory {
                format!("{path}/")
            } else {
                path.clone()
            };
            match target {
                Some((kind, to)) => {
                    header.set_entry_type(kind);
                    builder.append_link(&mut header, &name, to)
                }
                None => builder.append_data(&mut header, &name, data),
            }
            .with_context(|| format!("can't archive {path}"))?;
        }
        Ok(builder.into_inner()?)
    }
}

fn node(kind: Kind, epoch: u64) -> Node {
    Node {
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: epoch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tar: &[u8]) -> Vec<(String, EntryType)> {
        let mut archive = Archive::new(tar);
        let entries = archive.entries().unwrap_or_else(|e| panic!("{e}"));
        entries
            .map(|e| e.unwrap_or_else(|e| panic!("{e}")))
            .map(|e| {
                (
                    e.path()
                        .unwrap_or_else(|e| panic!("{e}"))
                        .display()
                        .to_string(),
                    e.header().entry_type(),
                )
            })
            .collect()
    }

    #[test]
    fn packages_land_in_merged_usr() {
        let mut package = Tree::new(false, false, 7);
        package.file("bin/sh", "x", 0o755, 7);
        package.file("usr/bin/env", "y", 0o755, 7);
        let mut tree = Tree::new(true, true, 7);
        let listed = tree.unpack(
            &package.tar().unwrap_or_default(),
            &|p| p == "usr/bin/env",
            7,
        );
        assert_eq!(
            listed.unwrap_or_default(),
            ["/bin", "/bin/sh", "/usr", "/usr/bin"]
        );
        assert_eq!(tree.read("bin/sh"), Some(&b"x"[..]));
        assert!(tree.contains("usr/bin/sh") && !tree.contains("usr/bin/env"));
        let all = names(&tree.tar().unwrap_or_default());
        assert!(all.contains(&("bin".into(), EntryType::Symlink)));
        assert!(all.contains(&("usr/bin/sh".into(), EntryType::Regular)));
    }

    #[test]
    fn the_first_name_of_a_hard_link_is_the_file() {
        let mut tree = Tree::default();
        tree.file("b", "data", 0o644, 1);
        tree.nodes
            .insert("a".into(), node(Kind::Hardlink("b".into()), 1));
        let all = names(&tree.tar().unwrap_or_default());
        assert_eq!(
            all,
            [
                ("a".into(), EntryType::Regular),
                ("b".into(), EntryType::Link)
            ]
        );
    }

    #[test]
    fn members_that_leave_the_tree_are_refused() {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..4].copy_from_slice(b"../x");
        header.set_entry_type(EntryType::Regular);
        header.set_size(0);
        header.set_cksum();
        let mut builder = Builder::new(Vec::new());
        builder
            .append(&header, &[][..])
            .unwrap_or_else(|e| panic!("{e}"));
        let tar = builder.into_inner().unwrap_or_else(|e| panic!("{e}"));
        assert!(Tree::default().unpack(&tar, &|_| false, 0).is_err());
    }
}
