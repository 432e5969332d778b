//! What BuildKit's frontend makes of whole Dockerfiles.

use bottleship_dockerfile::convert::{BaseImage, BaseImages, Options, Platform, convert};
use bottleship_dockerfile::image::Image;
use bottleship_dockerfile::instruction;
use bottleship_dockerfile::lint::{Config, Linter};
use bottleship_dockerfile::parser::{self, Argument, Ast, Heredoc, Node};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Suites, canonical, instructions};

/// The base images the golden file was made with: every name exists, with one layer.
struct Images;

impl BaseImages for Images {
    fn normalize(&self, name: &str) -> Result<String, String> {
        normalize(name).ok_or_else(|| "invalid reference format".into())
    }

    fn resolve(&self, reference: &str, _: &Platform) -> Result<Option<BaseImage>, String> {
        let image: Image = serde_json::from_value(json!({
            "architecture": "amd64",
            "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", "1".repeat(64))] },
            "history": [{ "created": "2024-01-01T00:00:00Z", "created_by": "BASE" }],
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["sh"],
            },
        }))
        .expect("an image");
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(reference)));
        Ok(Some(BaseImage { digest, image }))
    }
}

/// Enough of distribution/reference for the names in the golden file.
fn normalize(name: &str) -> Option<String> {
    let (name, digest) = name
        .split_once('@')
        .map_or((name, None), |(n, d)| (n, Some(d)));
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[slash..].find(':') {
        Some(colon) => (&name[..slash + colon], Some(&name[slash + colon + 1..])),
        None => (name, None),
    };
    let (domain, rest) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (first, rest.to_owned())
        }
        Some(_) => ("docker.io", path.to_owned()),
        None => ("docker.io", format!("library/{path}")),
    };
    let part = |p: &str| {
        !p.is_empty()
            && p.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
            && p.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    let tag_ok = |t: &str| {
        !t.is_empty()
            && t.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !rest.split('/').all(part) || !tag.is_none_or(tag_ok) {
        return None;
    }
    Some(match (tag, digest) {
        (None, Some(digest)) => format!("{domain}/{rest}@{digest}"),
        (tag, Some(digest)) => format!("{domain}/{rest}:{}@{digest}", tag.unwrap_or_default()),
        (tag, None) => format!("{domain}/{rest}:{}", tag.unwrap_or("latest")),
    })
}

/// Runs the rows, except those BuildKit itself broke on.
pub fn run(lines: &str, suites: &mut Suites) {
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).expect("a row");
        if row.get("panic").is_some() {
            continue;
        }
        let id = row["id"].as_str().expect("id").to_owned();
        let source = row["dockerfile"].as_str().expect("dockerfile").as_bytes();
        let ast = parser::parse(source);
        suites.entry("golden parse").or_default().case(
            &id,
            parse_json(source, &ast),
            row["parse"].clone(),
        );
        if let (Ok(ast), Some(want)) = (&ast, row.get("instructions")) {
            let mut lint = Linter::new(Config::default());
            let got = match instruction::parse(ast, &mut lint) {
                Ok(parsed) => instructions::to_json(&parsed),
                Err(e) => json!({ "error": e.message }),
            };
            suites
                .entry("golden instructions")
                .or_default()
                .case(&id, got, want.clone());
        }
        conversion(&id, source, &row, suites);
    }
}

fn conversion(id: &str, source: &[u8], row: &Value, suites: &mut Suites) {
    let mut lint = Linter::new(Config::of_dockerfile(source).unwrap_or_default());
    let done = convert(source, &Options::default(), &Images, &mut lint);
    let want = &row["convert"];
    let got = match &done {
        Ok(plan) => json!({ "image": serde_json::to_value(&plan.image).expect("JSON") }),
        Err(e) => json!({ "error": e.to_string() }),
    };
    let wanted = match want.get("image") {
        Some(image) => json!({ "image": image }),
        None => json!({ "error": want["error"] }),
    };
    suites
        .entry("golden convert")
        .or_default()
        .case(id, got, wanted);
    if let (Ok(plan), Some(ops)) = (&done, want["ops"].as_array()) {
        let got = canonical::ops(plan);
        let names = |ops: &[Value]| {
            let mut names: Vec<String> = ops
                .iter()
                .filter(|op| !op.is_null())
                .map(|op| op["name"].as_str().unwrap_or_default().to_owned())
                .collect();
            names.sort();
            names
        };
        suites
            .entry("golden names")
            .or_default()
            .case(id, names(&got), names(ops));
        suites.entry("golden steps").or_default().case(
            id,
            canonical::canonical(&got),
            canonical::canonical(ops),
        );
    }
    let mut got: Vec<String> = lint
        .findings()
        .iter()
        .map(|f| {
            let (rule, line) = (f.rule.name, f.location.start);
            let (description, url) = (f.rule.description, f.rule.url());
            format!("{line} {rule} {} {description} {url}", f.message)
        })
        .collect();
    let mut want: Vec<String> = row["lint"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|f| {
            let text = |key: &str| f[key].as_str().unwrap_or_default();
            let (rule, msg) = (text("rule"), text("msg"));
            format!(
                "{} {rule} {msg} {} {}",
                f["line"],
                text("description"),
                text("url")
            )
        })
        .collect();
    got.sort();
    want.sort();
    suites.entry("golden lint").or_default().case(id, got, want);
}

fn parse_json(source: &[u8], ast: &bottleship_dockerfile::error::Result<Ast>) -> Value {
    let ast = match ast {
        Ok(ast) => ast,
        Err(e) => return json!({ "error": e.message }),
    };
    let mut out = json!({
        "dump": ast.dump(),
        "escape": ast.escape.to_string(),
        "nodes": ast.nodes.iter().map(node).collect::<Vec<_>>(),
    });
    if !ast.warnings.is_empty() {
        let at = |line: usize| json!({ "Line": line, "Character": 0 });
        let warnings = ast.warnings.iter().map(|w| {
            json!({
                "line": { "Start": at(w.line), "End": at(w.line) },
                "short": w.short,
                "url": "https://docs.docker.com/go/dockerfile/rule/no-empty-continuation/",
            })
        });
        out["warnings"] = warnings.collect();
    }
    if let Some(syntax) = parser::directive("syntax", source) {
        let reference = syntax.value.split(' ').next().unwrap_or_default();
        out["syntax"] = json!({ "cmdline": syntax.value, "ref": reference });
    }
    out
}

fn heredoc(h: &Heredoc) -> Value {
    json!({
        "Name": h.name,
        "FileDescriptor": h.fd,
        "Expand": h.expand,
        "Chomp": h.chomp,
        "Content": h.content,
    })
}

fn node(n: &Node) -> Value {
    let mut out = json!({
        "value": n.keyword,
        "original": n.original,
        "start_line": n.location.start,
        "end_line": n.location.end,
        "args": n.arguments.iter().map(argument).collect::<Vec<_>>(),
    });
    if !n.flags.is_empty() {
        out["flags"] = json!(n.flags);
    }
    if n.json {
        out["attributes"] = json!({ "json": true });
    }
    if !n.comments.is_empty() {
        out["prev_comment"] = json!(n.comments);
    }
    if !n.heredocs.is_empty() {
        out["heredocs"] = n.heredocs.iter().map(heredoc).collect();
    }
    out
}

fn argument(argument: &Argument) -> Value {
    match argument {
        Argument::Text(text) => json!(text),
        Argument::Nested(inner) => {
            let mut inner = node(inner);
            let fields = inner.as_object_mut().expect("a node");
            fields.remove("start_line");
            fields.remove("end_line");
            json!({ "children": [inner] })
        }
    }
}
