//! The steps: a small, typed form of BuildKit's LLB.

use crate::error::LineRange;
use crate::image::Image;
use crate::instruction::{Network, Sharing};

/// What to do, and what comes out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps; inputs come before their users.
    pub steps: Vec<Step>,
    /// The step whose file system is the image's; none for an empty image.
    pub result: Option<usize>,
    /// The image's config, without the layers and times the steps add.
    pub image: Image,
    /// The escape character of the Dockerfile.
    pub escape: char,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// The progress name: `[build 2/4] RUN make`.
    pub name: String,
    /// The steps whose results it uses, as indices into [`Plan::steps`].
    pub inputs: Vec<usize>,
    /// What it does.
    pub op: Op,
    /// The instruction's lines; none for internal steps.
    pub location: Option<LineRange>,
    /// Don't take it from the cache.
    pub ignore_cache: bool,
}

/// What a step does. Numbers named `input` or `from` are indices into its inputs; none means an empty tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Brings in a tree.
    Source(Source),
    /// Runs a process.
    Exec(Box<Exec>),
    /// Changes a tree.
    File {
        /// The tree.
        input: Option<usize>,
        /// The changes in order.
        actions: Vec<FileAction>,
    },
    /// Lays the upper tree (`COPY --link`) over the lower.
    Merge {
        /// Lower tree.
        lower: Option<usize>,
        /// Upper tree.
        upper: usize,
    },
}

/// Where a tree comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An image, by name and digest.
    Image(String),
    /// The build context.
    Context {
        /// The paths used; empty for all.
        paths: Vec<String>,
    },
    /// A file from the web.
    Http {
        /// Address.
        url: String,
        /// Name of the file in the tree.
        filename: String,
        /// Digest it must have, or empty.
        checksum: String,
    },
    /// A Git repository.
    Git {
        /// Address.
        remote: String,
        /// Branch, tag or commit.
        reference: String,
        /// Directory in it.
        subdir: String,
        /// Commit it must be, or empty.
        checksum: String,
        /// Keep `.git`.
        keep_git_dir: bool,
        /// Fetch submodules.
        submodules: bool,
    },
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exec {
    /// The root file system.
    pub root: Option<usize>,
    /// Argv.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// User, or empty for root.
    pub user: String,
    /// Mounts other than the root.
    pub mounts: Vec<ExecMount>,
    /// Secrets as variables: (variable, id, required).
    pub secret_env: Vec<(String, String, bool)>,
    /// Network.
    pub network: Network,
    /// With all capabilities.
    pub insecure: bool,
    /// Proxy variables from build arguments; they don't count for the cache.
    pub proxy: Vec<(String, String)>,
}

/// A mount of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExecMount {
    /// Where.
    pub target: String,
    /// What.
    pub kind: ExecMountKind,
    /// Read only.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExecMountKind {
    /// A tree, or a path in it.
    Bind {
        /// The tree.
        from: Option<usize>,
        /// The path; empty for all.
        selector: String,
    },
    /// A directory kept between builds.
    Cache {
        /// The tree a new one starts as.
        from: Option<usize>,
        /// The path in it.
        selector: String,
        /// Which one.
        id: String,
        /// How it is shared.
        sharing: Sharing,
    },
    /// Memory.
    Tmpfs {
        /// Size limit in bytes; 0 for none.
        size: i64,
    },
    /// A secret.
    Secret(SecretFile),
    /// An SSH agent's socket; an empty id is the default agent.
    Ssh(SecretFile),
}

/// A secret or socket as a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretFile {
    /// Which one.
    pub id: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode.
    pub mode: u32,
    /// The build fails without it.
    pub required: bool,
}

/// A change of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FileAction {
    /// Makes a directory.
    Mkdir {
        /// Where.
        path: String,
        /// Mode.
        mode: u32,
        /// Make its parents; an existing one is no error then.
        parents: bool,
        /// Owner; none for root.
        owner: Option<Owner>,
        /// Modification time in seconds since 1970.
        time: Option<i64>,
    },
    /// Makes a file.
    Mkfile {
        /// Where.
        path: String,
        /// Mode.
        mode: u32,
        /// Content.
        data: Vec<u8>,
    },
    /// Copies files.
    Copy(Box<CopyAction>),
}

/// Copies files into a tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CopyAction {
    /// The tree copied from.
    pub from: Option<usize>,
    /// Path or pattern in it.
    pub src: String,
    /// Destination; a trailing `/` says it is a directory.
    pub dest: String,
    /// Owner; none keeps root's.
    pub owner: Option<Owner>,
    /// Mode; none keeps it.
    pub mode: Option<Mode>,
    /// Follow a symbolic link that is the source.
    pub follow_symlink: bool,
    /// Of a directory, copy what is in it.
    pub dir_contents: bool,
    /// Unpack archives.
    pub unpack: bool,
    /// The source may be a pattern.
    pub wildcard: bool,
    /// Only these patterns below the source.
    pub include: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
    /// Paths that must exist.
    pub required: Vec<String>,
    /// Modification time in seconds since 1970; none keeps it.
    pub time: Option<i64>,
}

/// A mode.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// In octal.
    Bits(u32),
    /// In letters: `u+x`.
    Symbolic(String),
}

/// User and group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User.
    pub user: Principal,
    /// Group; none is the user's.
    pub group: Option<Principal>,
}

/// A user or group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// By number.
    Id(u32),
    /// By a name to look up in the tree's `/etc/passwd` or `/etc/group`.
    Name(String),
}

impl Owner {
    /// Reads `user[:group]`; an empty group after a colon is root's.
    pub fn parse(text: &str) -> Owner {
        let principal = |s: &str| match s.parse() {
            Ok(id) => Principal::Id(id),
            Err(_) if s == "root" => Principal::Id(0),
            Err(_) => Principal::Name(s.to_owned()),
        };
        match text.split_once(':') {
            None => Owner {
                user: principal(text),
                group: None,
            },
            Some((user, "")) => Owner {
                user: principal(user),
                group: Some(Principal::Id(0)),
            },
            Some((user, group)) => Owner {
                user: principal(user),
                group: Some(principal(group)),
            },
        }
    }
}
