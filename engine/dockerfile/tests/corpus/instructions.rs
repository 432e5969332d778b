//! Instructions in the form the golden file has them.

use bottleship_dockerfile::image::Healthcheck;
use bottleship_dockerfile::instruction::{
    Argument, CommandLine, Instruction, KeyValue, Kind, Parsed, Sources,
};
use serde_json::{Value, json};

/// The `instructions` column.
pub fn to_json(parsed: &Parsed) -> Value {
    let meta: Vec<Value> = parsed
        .meta_args
        .iter()
        .map(|m| json!({ "Args": args(&m.args) }))
        .collect();
    let stages: Vec<Value> = parsed
        .stages
        .iter()
        .map(|s| {
            json!({
                "base": s.base,
                "commands": s.instructions.iter().map(instruction).collect::<Vec<_>>(),
                "doc": s.doc,
                "name": s.name,
                "orig": s.keyword,
                "platform": s.platform,
                "source_code": s.source,
            })
        })
        .collect();
    json!({ "meta_args": or_null(meta), "stages": or_null(stages) })
}

fn or_null<T: serde::Serialize>(list: Vec<T>) -> Value {
    if list.is_empty() {
        Value::Null
    } else {
        json!(list)
    }
}

fn args(list: &[Argument]) -> Vec<Value> {
    list.iter()
        .map(|a| json!({ "Key": a.key, "Value": a.value, "DocComment": a.doc }))
        .collect()
}

fn pairs(list: &[KeyValue]) -> Vec<Value> {
    list.iter()
        .map(|p| json!({ "Key": p.key, "Value": p.value, "NoDelim": p.no_delim }))
        .collect()
}

fn command(line: &CommandLine) -> Value {
    let files = line
        .files
        .iter()
        .map(|f| json!({ "Name": f.name, "Data": f.data, "Chomp": f.chomp }))
        .collect();
    json!({ "CmdLine": line.args, "Files": or_null::<Value>(files), "PrependShell": line.shell })
}

fn sources(s: &Sources) -> Value {
    let contents = s
        .contents
        .iter()
        .map(|c| json!({ "Path": c.path, "Data": c.data, "Expand": c.expand }))
        .collect();
    json!({
        "DestPath": s.dest,
        "SourcePaths": or_null(s.paths.clone()),
        "SourceContents": or_null::<Value>(contents),
        "Chown": s.chown,
        "Chmod": s.chmod,
        "Link": s.link,
        "ExcludePatterns": or_null(s.exclude.clone()),
    })
}

fn health(h: &Healthcheck) -> Value {
    serde_json::to_value(h).expect("JSON")
}

fn instruction(i: &Instruction) -> Value {
    let v = match &i.kind {
        Kind::Add(add) => {
            let mut v = sources(&add.sources);
            v["KeepGitDir"] = json!(add.keep_git_dir);
            v["Checksum"] = json!(add.checksum);
            v["Unpack"] = json!(add.unpack);
            v
        }
        Kind::Copy(copy) => {
            let mut v = sources(&copy.sources);
            v["From"] = json!(copy.from);
            v["Parents"] = json!(copy.parents);
            v
        }
        Kind::Arg(list) => json!({ "Args": args(list) }),
        Kind::Cmd(line) => command(line),
        Kind::Entrypoint(line) => {
            let mut v = command(line);
            if line.args.is_empty() {
                v["CmdLine"] = Value::Null;
            }
            v
        }
        Kind::Env(list) => json!({ "Env": pairs(list) }),
        Kind::Label(list) => json!({ "Labels": pairs(list) }),
        Kind::Expose(ports) => json!({ "Ports": ports }),
        Kind::Healthcheck(h) => json!({ "Health": health(h) }),
        Kind::Maintainer(text) => json!({ "Maintainer": text }),
        Kind::OnBuild(text) => json!({ "Expression": text }),
        Kind::Run(run) => {
            let mut v = command(&run.command);
            v["FlagsUsed"] = json!(run.flags_used);
            v
        }
        Kind::Shell(words) => json!({ "Shell": words }),
        Kind::StopSignal(text) => json!({ "Signal": text }),
        Kind::User(text) => json!({ "User": text }),
        Kind::Volume(list) => json!({ "Volumes": list }),
        Kind::Workdir(path) => json!({ "Path": path }),
    };
    json!({ "name": i.keyword, "string": i.source, "v": v })
}
