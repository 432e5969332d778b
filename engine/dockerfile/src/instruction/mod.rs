//! Typed instructions, as BuildKit's `frontend/dockerfile/instructions`.

mod expand;
mod flags;
mod mount;
mod parse;
mod process;

use crate::error::LineRange;
use crate::image::Healthcheck;

pub use mount::{Mount, MountKind, Sharing};
pub use parse::{Parsed, parse, parse_one};

/// The keywords, in lower case.
pub const KEYWORDS: [&str; 18] = [
    "add",
    "arg",
    "cmd",
    "copy",
    "entrypoint",
    "env",
    "expose",
    "from",
    "healthcheck",
    "label",
    "maintainer",
    "onbuild",
    "run",
    "shell",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

/// A build stage: a FROM and what follows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stage {
    /// The name after AS, in lower case; empty when none.
    pub name: String,
    /// FROM as written.
    pub keyword: String,
    /// The image or stage it starts from, not yet expanded.
    pub base: String,
    /// `--platform`.
    pub platform: String,
    /// The comment that describes it.
    pub doc: String,
    /// The FROM instruction's text.
    pub source: String,
    /// Its instructions.
    pub instructions: Vec<Instruction>,
    /// The lines of its FROM.
    pub location: LineRange,
    /// The comments directly above.
    pub comments: Vec<String>,
}

/// An instruction other than FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// The keyword as written.
    pub keyword: String,
    /// The whole text, continuation lines joined.
    pub source: String,
    /// Its lines.
    pub location: LineRange,
    /// The comments directly above.
    pub comments: Vec<String>,
    /// What it says.
    pub kind: Kind,
}

/// ARG instructions before the first FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct MetaArg {
    /// Its lines.
    pub location: LineRange,
    /// The arguments.
    pub args: Vec<Argument>,
}

/// The instructions.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// ADD.
    Add(Add),
    /// ARG.
    Arg(Vec<Argument>),
    /// CMD.
    Cmd(CommandLine),
    /// COPY.
    Copy(Copy),
    /// ENTRYPOINT.
    Entrypoint(CommandLine),
    /// ENV.
    Env(Vec<KeyValue>),
    /// EXPOSE: port specs, sorted.
    Expose(Vec<String>),
    /// HEALTHCHECK.
    Healthcheck(Healthcheck),
    /// LABEL.
    Label(Vec<KeyValue>),
    /// MAINTAINER.
    Maintainer(String),
    /// ONBUILD: the trigger's text.
    OnBuild(String),
    /// RUN.
    Run(Run),
    /// SHELL.
    Shell(Vec<String>),
    /// STOPSIGNAL.
    StopSignal(String),
    /// USER.
    User(String),
    /// VOLUME.
    Volume(Vec<String>),
    /// WORKDIR.
    Workdir(String),
}

/// `KEY=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyValue {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// Written in the old form, with a blank instead of `=`.
    pub no_delim: bool,
}

/// One name of an ARG.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argument {
    /// Name.
    pub key: String,
    /// Default.
    pub value: Option<String>,
    /// The comment that describes it.
    pub doc: String,
}

/// A command in shell or exec form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// One string in shell form; argv in exec form.
    pub args: Vec<String>,
    /// Here-documents.
    pub files: Vec<InlineFile>,
    /// Shell form.
    pub shell: bool,
}

/// A here-document of RUN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InlineFile {
    /// The terminator.
    pub name: String,
    /// The content as written.
    pub data: String,
    /// Leading tabs are to be dropped.
    pub chomp: bool,
}

/// RUN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The command.
    pub command: CommandLine,
    /// `--mount` values as written.
    pub mount_flags: Vec<String>,
    /// `--mount`s. Until expansion only `from` is filled in.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Network,
    /// `--security=insecure`.
    pub insecure: bool,
    /// `--device`: CDI names.
    pub devices: Vec<Device>,
    /// Names of the flags given, sorted.
    pub flags_used: Vec<String>,
}

/// `RUN --network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// The build's network.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's.
    Host,
}

/// `RUN --device`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// CDI name.
    pub name: String,
    /// The build fails without it.
    pub required: bool,
}

/// What ADD and COPY have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Destination.
    pub dest: String,
    /// Paths, URLs, Git references.
    pub paths: Vec<String>,
    /// Here-documents.
    pub contents: Vec<InlineSource>,
    /// `--chown`.
    pub chown: String,
    /// `--chmod`.
    pub chmod: String,
    /// `--link`.
    pub link: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
}

/// A here-document of ADD or COPY.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InlineSource {
    /// File name.
    pub path: String,
    /// Content.
    pub data: String,
    /// Variables in it are expanded.
    pub expand: bool,
}

/// ADD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Add {
    /// Sources and destination.
    pub sources: Sources,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`.
    pub checksum: String,
    /// `--unpack`.
    pub unpack: Option<bool>,
}

/// COPY.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    /// Sources and destination.
    pub sources: Sources,
    /// `--from`.
    pub from: String,
    /// `--parents`.
    pub parents: bool,
}
