//! `--mount`, `--volume`, `--tmpfs`.

use super::opts::Check;
use crate::cli::command::go_bool;
use crate::cli::prelude::*;

/// Splits comma-separated fields, as `encoding/csv` reads one record.
fn fields(s: &str) -> Check<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = s;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next() {
                    Some((i, '"')) if quoted[i + 1..].starts_with('"') => {
                        field.push('"');
                        chars.next();
                    }
                    Some((i, '"')) => break i + 1,
                    Some((_, c)) => field.push(c),
                    None => {
                        return Err(
                            "parse error on line 1: extraneous or missing \" in quoted-field"
                                .into(),
                        );
                    }
                }
            };
            out.push(field);
            rest = &quoted[end..];
            match rest.strip_prefix(',') {
                Some(r) => rest = r,
                None if rest.is_empty() => return Ok(out),
                None => {
                    return Err(
                        "parse error on line 1: extraneous or missing \" in quoted-field".into(),
                    );
                }
            }
        } else {
            match rest.split_once(',') {
                Some((f, r)) => {
                    out.push(f.to_string());
                    rest = r;
                }
                None => {
                    out.push(rest.to_string());
                    return Ok(out);
                }
            }
        }
    }
}

/// `--mount type=…,source=…,target=…` as the API's mount.
pub fn parse(s: &str) -> Check<J> {
    if s.is_empty() {
        return Err("EOF".into());
    }
    let mut m = json!({"Type": "volume"});
    let (mut target, mut source) = (String::new(), String::new());
    let mut used: Vec<&str> = Vec::new();
    for field in fields(s)? {
        let (key, value) = match field.split_once('=') {
            Some((k, v)) => (k.to_lowercase(), Some(v.to_string())),
            None => (field.to_lowercase(), None),
        };
        if key.trim() != key {
            return Err(format!(
                "invalid option '{field}' in '{s}': option should not have whitespace"
            ));
        }
        let value = match (key.as_str(), value) {
            (
                "readonly" | "ro" | "volume-nocopy" | "bind-nonrecursive" | "bind-create-src",
                None,
            ) => "true".to_string(),
            (_, None) => return Err(format!("invalid field '{field}' must be a key=value pair")),
            (_, Some(v)) => v,
        };
        let switch = |v: &str| go_bool(v).ok_or_else(|| format!("invalid value for {key}: {v}"));
        match key.as_str() {
            "type" => {
                if value.is_empty() {
                    return Err("type is required".into());
                }
                m["Type"] = value.to_lowercase().into();
            }
            "source" | "src" => source = value,
            "target" | "dst" | "destination" => target = value,
            "readonly" | "ro" => m["ReadOnly"] = switch(&value)?.into(),
            "consistency" => m["Consistency"] = value.to_lowercase().into(),
            "bind-propagation" => {
                used.push("bind");
                m["BindOptions"]["Propagation"] = value.to_lowercase().into();
            }
            "bind-nonrecursive" => {
                used.push("bind");
                m["BindOptions"]["NonRecursive"] = switch(&value)?.into();
            }
            "bind-create-src" => {
                used.push("bind");
                m["BindOptions"]["CreateMountpoint"] = switch(&value)?.into();
            }
            "bind-recursive" => {
                used.push("bind");
                match value.as_str() {
                    "enabled" => {}
                    "disabled" => m["BindOptions"]["NonRecursive"] = true.into(),
                    "writable" => m["BindOptions"]["ReadOnlyNonRecursive"] = true.into(),
                    "readonly" => m["BindOptions"]["ReadOnlyForceRecursive"] = true.into(),
                    _ => {
                        return Err(format!(
                            "invalid value for bind-recursive: {value} (must be \"enabled\", \"disabled\", \"writable\", or \"readonly\")"
                        ));
                    }
                }
            }
            "volume-subpath" => {
                used.push("volume");
                m["VolumeOptions"]["Subpath"] = value.into();
            }
            "volume-nocopy" => {
                used.push("volume");
                m["VolumeOptions"]["NoCopy"] = switch(&value)?.into();
            }
            "volume-label" => {
                used.push("volume");
                let (k, v) = value.split_once('=').unwrap_or((&value, ""));
                m["VolumeOptions"]["Labels"][k] = v.into();
            }
            "volume-driver" => {
                used.push("volume");
                m["VolumeOptions"]["DriverConfig"]["Name"] = value.into();
            }
            "volume-opt" => {
                used.push("volume");
                let (k, v) = value.split_once('=').unwrap_or((&value, ""));
                m["VolumeOptions"]["DriverConfig"]["Options"][k] = v.into();
            }
            "image-subpath" => {
                used.push("image");
                m["ImageOptions"]["Subpath"] = value.into();
            }
            "tmpfs-size" => {
                used.push("tmpfs");
                let n = units::parse_bytes(&value)
                    .map_err(|_| format!("invalid value for {key}: {value}"))?;
                m["TmpfsOptions"]["SizeBytes"] = n.into();
            }
            "tmpfs-mode" => {
                used.push("tmpfs");
                let n = u32::from_str_radix(&value, 8)
                    .map_err(|_| format!("invalid value for {key}: {value}"))?;
                m["TmpfsOptions"]["Mode"] = n.into();
            }
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        }
    }
    if target.is_empty() {
        return Err("target is required".into());
    }
    let kind = m.text("Type").to_string();
    for u in used {
        if u != kind {
            return Err(format!(
                "cannot mix '{u}-*' options with mount type '{kind}'"
            ));
        }
    }
    if !source.is_empty() {
        m["Source"] = source.into();
    }
    m["Target"] = target.into();
    Ok(m)
}

/// What `-v` asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Volume {
    /// `-v /data`: an anonymous volume at that path.
    Anonymous(String),
    /// `-v SOURCE:TARGET[:OPTIONS]`, as HostConfig.Binds takes it.
    Bind(String),
}

/// `--volume`; a relative source starting with `.` is made absolute, as docker does.
///
/// # Errors
/// Docker's text for an empty section (docker/cli compose/loader/volume.go).
pub fn parse_volume(s: &str, cwd: &str) -> Check<Volume> {
    if s.is_empty() {
        return Err("invalid empty volume spec".into());
    }
    // One letter before a colon is a Windows drive, so one or two characters, or `c:/x`, are a path.
    let after_drive = match s.as_bytes() {
        [drive, b':', ..] if drive.is_ascii_alphabetic() => 2,
        _ => 0,
    };
    let colon = s[after_drive..].find(':').map(|at| at + after_drive);
    let Some(colon) = colon.filter(|_| s.chars().count() > 2) else {
        return Ok(Volume::Anonymous(s.to_string()));
    };
    let (first, rest) = (&s[..colon], &s[colon + 1..]);
    let sections: Vec<&str> = rest.split(':').collect();
    if first.is_empty() || sections.contains(&"") {
        return Err(format!("invalid spec: {s}: empty section between colons"));
    }
    if sections.len() > 2 {
        return Err(format!("invalid spec: {s}: too many colons"));
    }
    let source = if first.starts_with('.') {
        crate::cli::host_path(cwd, first)
    } else {
        first.to_string()
    };
    Ok(Volume::Bind(format!("{source}:{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts() {
        assert_eq!(
            parse("type=bind,src=/a,dst=/b,readonly"),
            Ok(json!({"Type": "bind", "ReadOnly": true, "Source": "/a", "Target": "/b"}))
        );
        assert_eq!(
            parse("type=bind,src=/a,dst=/b,volume-nocopy"),
            Err("cannot mix 'volume-*' options with mount type 'bind'".into())
        );
        assert_eq!(
            parse("x"),
            Err("invalid field 'x' must be a key=value pair".into())
        );
    }

    #[test]
    fn volumes() {
        let v = |s: &str| parse_volume(s, "/w").expect("a volume");
        assert_eq!(v("/data"), Volume::Anonymous("/data".into()));
        assert_eq!(v("./x:/y:ro"), Volume::Bind("/w/x:/y:ro".into()));
        assert_eq!(v("name:/y"), Volume::Bind("name:/y".into()));
        for (bad, text) in [
            ("", "invalid empty volume spec"),
            ("v1:", "invalid spec: v1:: empty section between colons"),
            ("v1:/a:ro:z", "invalid spec: v1:/a:ro:z: too many colons"),
        ] {
            assert_eq!(parse_volume(bad, "/w"), Err(text.to_string()));
        }
    }
}
