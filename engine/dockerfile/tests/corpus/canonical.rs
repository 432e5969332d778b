//! A step graph in a form that doesn't depend on the order steps happen to be listed in.

use base64::Engine as _;
use bottleship_dockerfile::convert::{
    CopyAction, Exec, ExecMount, ExecMountKind, FileAction, Mode, Op, Owner, Plan, Principal,
    SecretFile, Source, Step,
};
use bottleship_dockerfile::instruction::{Network, Sharing};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Our plan in the golden file's form.
pub fn ops(plan: &Plan) -> Vec<Value> {
    let Some(result) = plan.result else {
        return Vec::new();
    };
    let mut out: Vec<Value> = Vec::new();
    for step in plain_copies(&plan.steps) {
        let inputs: Vec<Value> = step.inputs.iter().map(|i| json!([i, 0])).collect();
        out.push(json!({ "inputs": inputs, "name": step.name, "op": op(&step) }));
    }
    out.push(json!({ "inputs": [[result, 0]], "op": {} }));
    // A copied tree that was merged is nobody's input now.
    let used: Vec<u64> = out
        .iter()
        .flat_map(|op| op["inputs"].as_array().cloned().unwrap_or_default())
        .filter_map(|pair| pair[0].as_u64())
        .collect();
    for (i, op) in out.iter_mut().enumerate() {
        let last = op["op"] == json!({});
        if !last && !used.contains(&(i as u64)) {
            *op = Value::Null;
        }
    }
    out
}

/// The golden file was made without support for merging, where `--link` is a plain copy onto the lower tree.
fn plain_copies(steps: &[Step]) -> Vec<Step> {
    let mut out: Vec<Step> = Vec::new();
    for step in steps {
        let Op::Merge { lower, upper } = &step.op else {
            out.push(step.clone());
            continue;
        };
        let mut copy = out[step.inputs[*upper]].clone();
        let lower = lower.map(|i| step.inputs[i]);
        let Op::File { input, .. } = &mut copy.op else {
            panic!("--link without files");
        };
        let base = lower.map(|node| {
            let at = copy.inputs.iter().position(|i| *i == node);
            at.unwrap_or_else(|| {
                copy.inputs.push(node);
                copy.inputs.len() - 1
            })
        });
        *input = base;
        out.push(copy);
    }
    out
}

fn input(index: Option<usize>) -> Value {
    index.map_or(json!("-1"), |i| json!(i.to_string()))
}

fn op(step: &Step) -> Value {
    match &step.op {
        Op::Source(source) => json!({ "source": self::source(source) }),
        Op::Exec(exec) => json!({ "exec": self::exec(exec) }),
        Op::File {
            input: base,
            actions,
        } => {
            let count = step.inputs.len();
            let list: Vec<Value> = actions
                .iter()
                .enumerate()
                .map(|(i, action)| {
                    let base = match i {
                        0 => input(*base),
                        i => json!((count + i - 1).to_string()),
                    };
                    let mut out = self::action(action);
                    out["input"] = base;
                    out
                })
                .collect();
            json!({ "file": { "actions": list } })
        }
        Op::Merge { lower, upper } => {
            json!({ "merge": { "lower": input(*lower), "upper": input(Some(*upper)) } })
        }
    }
}

fn source(source: &Source) -> Value {
    match source {
        Source::Image(reference) => json!({ "identifier": format!("docker-image://{reference}") }),
        Source::Context { paths } => {
            let mut attrs = json!({ "local.sharedkeyhint": "context" });
            if !paths.is_empty() {
                let list = serde_json::to_string(paths).expect("JSON");
                attrs["local.followpaths"] = json!(list);
            }
            json!({ "identifier": "local://context", "attrs": attrs })
        }
        Source::Http {
            url,
            filename,
            checksum,
        } => {
            let mut attrs = json!({ "http.filename": filename });
            if !checksum.is_empty() {
                attrs["http.checksum"] = json!(checksum);
            }
            json!({ "identifier": url, "attrs": attrs })
        }
        Source::Git {
            remote, reference, ..
        } => {
            json!({ "identifier": format!("git://{remote}#{reference}") })
        }
    }
}

fn exec(exec: &Exec) -> Value {
    let mut meta = json!({
        "args": exec.args,
        "env": exec.env,
        "cwd": exec.cwd,
        "removeMountStubsRecursive": true,
    });
    if !exec.user.is_empty() {
        meta["user"] = json!(exec.user);
    }
    let mut mounts = vec![json!({ "dest": "/", "input": input(exec.root) })];
    mounts.extend(exec.mounts.iter().map(mount));
    let mut out = json!({ "meta": meta, "mounts": mounts });
    match exec.network {
        Network::Default => {}
        Network::None => out["network"] = json!("NONE"),
        Network::Host => out["network"] = json!("HOST"),
    }
    if exec.insecure {
        out["security"] = json!("INSECURE");
    }
    if !exec.secret_env.is_empty() {
        let list = exec.secret_env.iter().map(|(name, id, required)| {
            let mut out = json!({ "ID": id, "name": name });
            if !required {
                out["optional"] = json!(true);
            }
            out
        });
        out["secretenv"] = list.collect();
    }
    out
}

fn mount(mount: &ExecMount) -> Value {
    let mut out = json!({ "dest": mount.target });
    if mount.read_only && !matches!(mount.kind, ExecMountKind::Secret(_) | ExecMountKind::Ssh(_)) {
        out["readonly"] = json!(true);
    }
    match &mount.kind {
        ExecMountKind::Bind { from, selector } => {
            out["input"] = input(*from);
            if !selector.is_empty() {
                out["selector"] = json!(selector);
            }
        }
        ExecMountKind::Cache {
            from,
            selector,
            id,
            sharing,
        } => {
            out["input"] = input(*from);
            if !selector.is_empty() {
                out["selector"] = json!(selector);
            }
            out["mountType"] = json!("CACHE");
            out["cacheOpt"] = json!({ "ID": id });
            match sharing {
                Sharing::Shared => {}
                Sharing::Private => out["cacheOpt"]["sharing"] = json!("PRIVATE"),
                Sharing::Locked => out["cacheOpt"]["sharing"] = json!("LOCKED"),
            }
        }
        ExecMountKind::Tmpfs { size } => {
            out["input"] = json!("-1");
            out["mountType"] = json!("TMPFS");
            out["TmpfsOpt"] = if *size == 0 {
                json!({})
            } else {
                json!({ "size": size.to_string() })
            };
        }
        ExecMountKind::Secret(file) => {
            out["input"] = json!("-1");
            out["mountType"] = json!("SECRET");
            out["secretOpt"] = secret(file);
        }
        ExecMountKind::Ssh(file) => {
            out["input"] = json!("-1");
            out["mountType"] = json!("SSH");
            out["SSHOpt"] = secret(file);
        }
    }
    out
}

fn secret(file: &SecretFile) -> Value {
    let mut out = json!({ "mode": file.mode });
    if !file.id.is_empty() {
        out["ID"] = json!(file.id);
    }
    for (key, id) in [("uid", file.uid), ("gid", file.gid)] {
        if id != 0 {
            out[key] = json!(id);
        }
    }
    if !file.required {
        out["optional"] = json!(true);
    }
    out
}

fn owner(owner: &Owner) -> Value {
    let principal = |p: &Principal| match p {
        Principal::Id(id) => json!({ "byID": id }),
        Principal::Name(name) => json!({ "byName": { "name": name } }),
    };
    let mut out = json!({ "user": principal(&owner.user) });
    if let Some(group) = &owner.group {
        out["group"] = principal(group);
    }
    out
}

fn timestamp(time: Option<i64>) -> Value {
    json!(time.map_or(-1, |t| t * 1_000_000_000).to_string())
}

fn action(action: &FileAction) -> Value {
    match action {
        FileAction::Mkdir {
            path,
            mode,
            parents,
            owner,
            time,
        } => {
            let mut out = json!({ "path": path, "mode": mode, "timestamp": timestamp(*time) });
            if *parents {
                out["makeParents"] = json!(true);
            }
            if let Some(owner) = owner {
                out["owner"] = self::owner(owner);
            }
            json!({ "secondaryInput": "-1", "mkdir": out })
        }
        FileAction::Mkfile { path, mode, data } => {
            let data = base64::engine::general_purpose::STANDARD.encode(data);
            json!({ "secondaryInput": "-1", "mkfile": {
                "path": path, "mode": mode, "data": data, "timestamp": "-1",
            } })
        }
        FileAction::Copy(copy) => json!({
            "secondaryInput": input(copy.from),
            "copy": self::copy(copy),
        }),
    }
}

fn copy(copy: &CopyAction) -> Value {
    let mut out = json!({
        "src": copy.src,
        "dest": copy.dest,
        "createDestPath": true,
        "timestamp": timestamp(copy.time),
    });
    match &copy.mode {
        None => out["mode"] = json!(-1),
        Some(Mode::Bits(0)) => {}
        Some(Mode::Bits(bits)) => out["mode"] = json!(bits),
        Some(Mode::Symbolic(text)) => {
            out["mode"] = json!(-1);
            out["modeStr"] = json!(text);
        }
    }
    for (key, on) in [
        ("followSymlink", copy.follow_symlink),
        ("dirCopyContents", copy.dir_contents),
        ("attemptUnpackDockerCompatibility", copy.unpack),
        ("allowWildcard", copy.wildcard),
        ("allowEmptyWildcard", copy.wildcard),
    ] {
        if on {
            out[key] = json!(true);
        }
    }
    for (key, list) in [
        ("includePatterns", &copy.include),
        ("excludePatterns", &copy.exclude),
        ("requiredPaths", &copy.required),
    ] {
        if !list.is_empty() {
            out[key] = json!(list);
        }
    }
    if let Some(owner) = &copy.owner {
        out["owner"] = self::owner(owner);
    }
    out
}

/// The steps as sorted strings, with inputs replaced by digests of what they are.
pub fn canonical(ops: &[Value]) -> Vec<String> {
    let mut digests: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for entry in ops {
        if entry.is_null() {
            digests.push(String::new());
            continue;
        }
        let inputs: Vec<String> = entry["inputs"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| digests[pair[0].as_u64().expect("index") as usize].clone())
            .collect();
        let mut op = entry["op"].clone();
        resolve(&mut op, &inputs);
        let mut sorted = inputs;
        sorted.sort();
        sorted.dedup();
        let text = json!({ "op": op, "inputs": sorted }).to_string();
        digests.push(hex::encode(&Sha256::digest(&text)[..8]));
        out.push(format!(
            "{} {text}",
            entry["name"].as_str().unwrap_or_default()
        ));
    }
    out.sort();
    out
}

fn resolve(op: &mut Value, inputs: &[String]) {
    let named = |value: Option<&Value>| -> String {
        let index: i64 = match value.and_then(Value::as_str) {
            None => 0,
            Some(text) => text.parse().expect("a number"),
        };
        match usize::try_from(index) {
            Err(_) => "empty".into(),
            Ok(i) => inputs
                .get(i)
                .cloned()
                .unwrap_or_else(|| format!("action {}", i - inputs.len())),
        }
    };
    if let Some(mounts) = op.pointer_mut("/exec/mounts").and_then(Value::as_array_mut) {
        for mount in mounts.iter_mut() {
            let name = named(mount.get("input"));
            let mount = mount.as_object_mut().expect("a mount");
            mount.insert("input".into(), json!(name));
            mount.remove("output");
        }
        mounts.sort_by_key(|m| m["dest"].as_str().map(str::to_owned));
    }
    if let Some(actions) = op
        .pointer_mut("/file/actions")
        .and_then(Value::as_array_mut)
    {
        for action in actions {
            for key in ["input", "secondaryInput"] {
                let name = named(action.get(key));
                action[key] = json!(name);
            }
            let action = action.as_object_mut().expect("an action");
            action.remove("output");
        }
    }
    if let Some(attrs) = op
        .pointer_mut("/source/attrs")
        .and_then(Value::as_object_mut)
    {
        attrs.remove("local.unique");
    }
    sort_keys(op);
}

fn sort_keys(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = std::mem::take(map).into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            *map = entries.into_iter().collect::<Map<_, _>>();
            map.values_mut().for_each(sort_keys);
        }
        Value::Array(list) => list.iter_mut().for_each(sort_keys),
        _ => {}
    }
}
