//! Nodes to instructions.

use super::flags::FlagKind::{Bool, Text, Texts};
use super::flags::Flags;
use super::process::{healthcheck, run};
use super::{
    Add, Argument, CommandLine, Copy, InlineFile, InlineSource, Instruction, KEYWORDS, KeyValue,
    Kind, MetaArg, Sources, Stage,
};
use crate::error::{Error, Result};
use crate::lint::{Linter, Rule};
use crate::parser::{Ast, Heredoc, Node};
use crate::{goform, suggest};

/// A Dockerfile's stages and the ARGs before the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The stages in order.
    pub stages: Vec<Stage>,
    /// ARG instructions before the first FROM.
    pub meta_args: Vec<MetaArg>,
}

/// One node, read.
#[derive(Clone, Debug, PartialEq)]
enum Item {
    Stage(Stage),
    Instruction(Instruction),
}

/// Reads the instructions of a Dockerfile.
///
/// # Errors
/// `dockerfile parse error on line N: …`, as BuildKit says it.
pub fn parse(ast: &Ast, lint: &mut Linter) -> Result<Parsed> {
    let mut out = Parsed::default();
    for node in &ast.nodes {
        let item = item(node, lint).map_err(|e| {
            e.context(format_args!(
                "dockerfile parse error on line {}",
                node.location.start
            ))
            .at(node.location)
        })?;
        match (item, out.stages.last_mut()) {
            (Item::Stage(stage), _) => out.stages.push(stage),
            (Item::Instruction(instruction), Some(stage)) => stage.instructions.push(instruction),
            (Item::Instruction(instruction), None) => match instruction.kind {
                Kind::Arg(args) => out.meta_args.push(MetaArg {
                    location: instruction.location,
                    args,
                }),
                _ => {
                    return Err(Error::new("no build stage in current context").at(node.location));
                }
            },
        }
    }
    Ok(out)
}

/// Reads a single instruction, such as an ONBUILD trigger or a `--change` of docker commit.
///
/// # Errors
/// As [`parse`], without the line's number; FROM is no such instruction.
pub fn parse_one(node: &Node, lint: &mut Linter) -> Result<Instruction> {
    match item(node, lint).map_err(|e| e.at(node.location))? {
        Item::Instruction(instruction) => Ok(instruction),
        Item::Stage(_) => {
            Err(Error::new("*instructions.Stage is not a command type").at(node.location))
        }
    }
}

fn item(node: &Node, lint: &mut Linter) -> Result<Item> {
    lint.scope(&node.comments);
    let args = node.args();
    let keyword = node.keyword.to_ascii_lowercase();
    if keyword == "from" {
        return Ok(Item::Stage(from(node, &args, lint)?));
    }
    let kind = match keyword.as_str() {
        "env" => {
            no_flags(node)?;
            Kind::Env(pairs(&args, "ENV")?)
        }
        "label" => {
            no_flags(node)?;
            Kind::Label(pairs(&args, "LABEL")?)
        }
        "maintainer" => {
            lint.run(&Rule::MAINTAINER_DEPRECATED, node.location, || {
                "Maintainer instruction is deprecated in favor of using label".into()
            });
            let text = exactly_one(&args, "MAINTAINER")?;
            no_flags(node)?;
            Kind::Maintainer(text)
        }
        "add" => add(node, &args)?,
        "copy" => copy(node, &args)?,
        "onbuild" => onbuild(node, &args)?,
        "workdir" => {
            let text = exactly_one(&args, "WORKDIR")?;
            no_flags(node)?;
            Kind::Workdir(text)
        }
        "run" => run(node, args)?,
        "cmd" => {
            no_flags(node)?;
            Kind::Cmd(command_line(node, args))
        }
        "entrypoint" => {
            no_flags(node)?;
            Kind::Entrypoint(command_line(node, args))
        }
        "healthcheck" => healthcheck(node, &args)?,
        "expose" => {
            at_least_one(&args, "EXPOSE")?;
            no_flags(node)?;
            let mut ports = args;
            ports.sort();
            Kind::Expose(ports)
        }
        "user" => {
            let text = exactly_one(&args, "USER")?;
            no_flags(node)?;
            Kind::User(text)
        }
        "volume" => volume(node, &args)?,
        "stopsignal" => Kind::StopSignal(exactly_one(&args, "STOPSIGNAL")?),
        "arg" => arg(node, &args, lint)?,
        "shell" => shell(node, args)?,
        _ => {
            let keyword = &node.keyword;
            return Err(Error::new(suggest::suggest(
                format!("unknown instruction: {keyword}"),
                keyword,
                KEYWORDS,
                false,
            )));
        }
    };
    Ok(Item::Instruction(Instruction {
        keyword: node.keyword.clone(),
        source: source(node),
        location: node.location,
        comments: node.comments.clone(),
        kind,
    }))
}

fn source(node: &Node) -> String {
    node.original.trim().to_owned()
}

fn no_flags(node: &Node) -> Result<()> {
    Flags::parse(&node.flags, &[]).map(|_| ())
}

pub(super) fn at_least_one(args: &[String], keyword: &str) -> Result<()> {
    if args.is_empty() {
        return Err(Error::new(format!(
            "{keyword} requires at least one argument"
        )));
    }
    Ok(())
}

fn exactly_one(args: &[String], keyword: &str) -> Result<String> {
    match args {
        [one] => Ok(one.clone()),
        _ => Err(Error::new(format!(
            "{keyword} requires exactly one argument"
        ))),
    }
}

fn pairs(args: &[String], keyword: &str) -> Result<Vec<KeyValue>> {
    at_least_one(args, keyword)?;
    args.chunks(3)
        .map(|chunk| match chunk {
            [key, _, _] if key.is_empty() => {
                Err(Error::new(format!("{keyword} names can not be blank")))
            }
            [key, value, delim] => Ok(KeyValue {
                key: key.clone(),
                value: value.clone(),
                no_delim: delim.is_empty(),
            }),
            _ => Err(Error::new(format!(
                "Bad input to {keyword}, too many arguments"
            ))),
        })
        .collect()
}

fn sources(node: &Node, args: &[String], keyword: &str, flags: &Flags) -> Result<Sources> {
    let Some((dest, from)) = args.split_last() else {
        return Err(no_destination(keyword));
    };
    if matches!(Heredoc::parse(dest), Ok(Some(_))) {
        return Err(Error::new(format!(
            "{keyword} cannot accept a heredoc as a destination"
        )));
    }
    let mut out = Sources {
        dest: dest.clone(),
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.is_true("link"),
        exclude: flags.texts("exclude"),
        ..Sources::default()
    };
    for path in from {
        match Heredoc::parse(path) {
            Ok(Some(word)) => {
                // The last of several here-documents of one name wins, as in BuildKit's map.
                let content = node.heredocs.iter().rev().find(|h| h.name == word.name);
                let content = content.map(|h| h.content.clone()).unwrap_or_default();
                out.contents.push(InlineSource {
                    data: Heredoc {
                        content,
                        ..word.clone()
                    }
                    .text(),
                    path: word.name,
                    expand: word.expand,
                });
            }
            _ => out.paths.push(path.clone()),
        }
    }
    Ok(out)
}

fn no_destination(keyword: &str) -> Error {
    Error::new(format!(
        "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
    ))
}

fn add(node: &Node, args: &[String]) -> Result<Kind> {
    if args.len() < 2 {
        return Err(no_destination("ADD"));
    }
    let flags = Flags::parse(
        &node.flags,
        &[
            ("exclude", Texts),
            ("chown", Text),
            ("chmod", Text),
            ("link", Bool),
            ("keep-git-dir", Bool),
            ("checksum", Text),
            ("unpack", Bool),
        ],
    )?;
    Ok(Kind::Add(Add {
        sources: sources(node, args, "ADD", &flags)?,
        keep_git_dir: flags.given("keep-git-dir"),
        checksum: flags.text("checksum"),
        unpack: flags.given("unpack"),
    }))
}

fn copy(node: &Node, args: &[String]) -> Result<Kind> {
    if args.len() < 2 {
        return Err(no_destination("COPY"));
    }
    let flags = Flags::parse(
        &node.flags,
        &[
            ("exclude", Texts),
            ("parents", Bool),
            ("chown", Text),
            ("from", Text),
            ("chmod", Text),
            ("link", Bool),
        ],
    )?;
    Ok(Kind::Copy(Copy {
        sources: sources(node, args, "COPY", &flags)?,
        from: flags.text("from"),
        parents: flags.is_true("parents"),
    }))
}

fn from(node: &Node, args: &[String], lint: &mut Linter) -> Result<Stage> {
    if let [_, as_word, name, ..] = args {
        if args.len() == 3 && *name != name.to_lowercase() {
            lint.run(&Rule::STAGE_NAME_CASING, node.location, || {
                format!("Stage name '{name}' should be lowercase")
            });
        }
        if !as_matches_from(&node.keyword, as_word) {
            lint.run(&Rule::FROM_AS_CASING, node.location, || {
                format!(
                    "'{as_word}' and '{}' keywords' casing do not match",
                    node.keyword
                )
            });
        }
    }
    let (base, name) = match args {
        [base] => (base, ""),
        [base, as_word, name] if as_word.eq_ignore_ascii_case("as") => (base, name.as_str()),
        _ => return Err(Error::new("FROM requires either one or three arguments")),
    };
    let lower = name.to_lowercase();
    if !name.is_empty() {
        let valid = lower.starts_with(|c: char| c.is_ascii_lowercase())
            && lower
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if !valid {
            return Err(Error::new(format!(
                "invalid name for build stage: {}, name can't start with a number or contain symbols",
                goform::quote(name)
            )));
        }
    }
    let flags = Flags::parse(&node.flags, &[("platform", Text)])?;
    if !lower.is_empty() {
        description(node, "FROM", std::slice::from_ref(&lower), lint);
    }
    Ok(Stage {
        doc: doc_comment(&node.comments, &lower),
        name: lower,
        keyword: node.keyword.clone(),
        base: base.clone(),
        platform: flags.text("platform"),
        source: source(node),
        instructions: Vec::new(),
        location: node.location,
        comments: node.comments.clone(),
    })
}

fn as_matches_from(from: &str, as_word: &str) -> bool {
    if from == from.to_lowercase() {
        as_word == as_word.to_lowercase()
    } else if from == from.to_uppercase() {
        as_word == as_word.to_uppercase()
    } else {
        // Mixed case of FROM itself is another rule's.
        true
    }
}

fn doc_comment(comments: &[String], name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    comments
        .iter()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_default()
        .to_owned()
}

fn description(node: &Node, keyword: &str, names: &[String], lint: &mut Linter) {
    let (Some(comment), Some(first)) = (node.comments.last(), names.first()) else {
        return;
    };
    let word = comment.split(' ').next().unwrap_or_default();
    if names.iter().any(|n| n == word) {
        return;
    }
    let example = if names.len() > 1 { "<arg_key>" } else { first };
    lint.run(&Rule::INVALID_DEFINITION_DESCRIPTION, node.location, || {
        format!("Comment for {keyword} should follow the format: `# {example} <description>`")
    });
}

fn onbuild(node: &Node, args: &[String]) -> Result<Kind> {
    at_least_one(args, "ONBUILD")?;
    no_flags(node)?;
    let trigger = args[0].trim().to_uppercase();
    match trigger.as_str() {
        "ONBUILD" => {
            return Err(Error::new(
                "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
            ));
        }
        "MAINTAINER" | "FROM" => {
            return Err(Error::new(format!(
                "{trigger} isn't allowed as an ONBUILD trigger"
            )));
        }
        _ => {}
    }
    // The keyword is ASCII, whatever its case, so it is seven bytes.
    let trimmed = node.original.trim_start();
    let mut expression = trimmed
        .get("ONBUILD".len()..)
        .unwrap_or_default()
        .trim_start()
        .to_owned();
    for heredoc in &node.heredocs {
        expression.push('\n');
        expression.push_str(&heredoc.content);
        expression.push_str(&heredoc.name);
    }
    Ok(Kind::OnBuild(expression))
}

pub(super) fn command_line(node: &Node, args: Vec<String>) -> CommandLine {
    let files = node
        .heredocs
        .iter()
        .map(|h| InlineFile {
            name: h.name.clone(),
            data: h.content.clone(),
            chomp: h.chomp,
        })
        .collect();
    CommandLine {
        args: command_args(node, args),
        files,
        shell: !node.json,
    }
}

/// Shell form is one string whatever it was split into.
pub(super) fn command_args(node: &Node, args: Vec<String>) -> Vec<String> {
    if node.json || args.is_empty() {
        args
    } else {
        vec![args.join(" ")]
    }
}

fn volume(node: &Node, args: &[String]) -> Result<Kind> {
    at_least_one(args, "VOLUME")?;
    no_flags(node)?;
    args.iter()
        .map(|volume| match volume.trim() {
            "" => Err(Error::new("VOLUME specified can not be an empty string")),
            volume => Ok(volume.to_owned()),
        })
        .collect::<Result<_>>()
        .map(Kind::Volume)
}

fn arg(node: &Node, args: &[String], lint: &mut Linter) -> Result<Kind> {
    at_least_one(args, "ARG")?;
    let mut out = Vec::new();
    for arg in args {
        let (key, value) = match arg.split_once('=') {
            Some(("", _)) => return Err(Error::new("ARG names can not be blank")),
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (arg.as_str(), None),
        };
        out.push(Argument {
            key: key.to_owned(),
            value,
            doc: doc_comment(&node.comments, key),
        });
    }
    let names: Vec<String> = out.iter().map(|a| a.key.clone()).collect();
    description(node, "ARG", &names, lint);
    Ok(Kind::Arg(out))
}

fn shell(node: &Node, args: Vec<String>) -> Result<Kind> {
    no_flags(node)?;
    let words = command_args(node, args);
    at_least_one(&words, "SHELL")?;
    if node.json {
        Ok(Kind::Shell(words))
    } else {
        Err(Error::new(
            "SHELL requires the arguments to be in JSON form",
        ))
    }
}
