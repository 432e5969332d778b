//! The values of `docker run`'s flags: their grammar and Docker's error texts.

use crate::cli::prelude::*;
use crate::cli::units::{parse_bytes, parse_go_duration};

/// A value's problem, in Docker's words.
pub type Check<T> = Result<T, String>;

/// `--cpus`: a decimal of at most nine places, in billionths of a CPU.
pub fn parse_cpus(s: &str) -> Check<i64> {
    let bad = || format!("failed to parse {s} as a rational number");
    let (neg, body) = match s.strip_prefix('-') {
        Some(b) => (true, b),
        None => (false, s.strip_prefix('+').unwrap_or(s)),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    if (whole.is_empty() && fraction.is_empty())
        || !format!("{whole}{fraction}")
            .bytes()
            .all(|b| b.is_ascii_digit())
    {
        return Err(bad());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 9 {
        return Err("value is too precise".into());
    }
    let n: i64 = format!("{whole}{fraction:0<9}")
        .parse()
        .map_err(|_| bad())?;
    Ok(if neg { -n } else { n })
}

/// Checks a value when the line is read, by the flag's name or its value's type.
pub fn check_value(name: &str, value: &str, s: &str) -> Check<()> {
    match (name, value) {
        ("env" | "build-arg", _) => match s.split('=').next() {
            Some("") | None => Err(format!("invalid environment variable: {s}")),
            _ => Ok(()),
        },
        ("label", "list") => {
            if s.is_empty() || s.starts_with('=') {
                return Err(format!("invalid label '{s}': empty name"));
            }
            Ok(())
        }
        ("add-host", _) => parse_extra_host(s).map(drop),
        ("link", _) => {
            if s.is_empty() {
                return Err("empty string specified for links".into());
            }
            if s.split(':').count() > 2 {
                return Err(format!("bad format for links: {s}"));
            }
            Ok(())
        }
        ("attach", "list") => match s.to_lowercase().as_str() {
            "stdin" | "stdout" | "stderr" => Ok(()),
            _ => Err("valid streams are STDIN, STDOUT and STDERR".into()),
        },
        ("device-cgroup-rule", _) => {
            let parts: Vec<&str> = s.split(' ').collect();
            let ok = match parts.as_slice() {
                [kind, numbers, access] => {
                    matches!(*kind, "a" | "b" | "c")
                        && numbers.split_once(':').is_some_and(|(a, b)| {
                            [a, b]
                                .iter()
                                .all(|n| *n == "*" || n.bytes().all(|c| c.is_ascii_digit()))
                        })
                        && (1..=3).contains(&access.len())
                        && access.bytes().all(|c| b"rwm".contains(&c))
                }
                _ => false,
            };
            if ok {
                Ok(())
            } else {
                Err(format!("invalid device cgroup format '{s}'"))
            }
        }
        ("dns", _) => s
            .trim()
            .parse::<std::net::IpAddr>()
            .map(drop)
            .map_err(|_| format!("IP address is not correctly formatted: {s}")),
        ("dns-search", _) => check_domain(s),
        ("sysctl", _) => check_sysctl(s),
        ("blkio-weight-device", _) => parse_weight_device(s).map(drop),
        ("device-read-bps" | "device-write-bps", _) => parse_throttle(s, true).map(drop),
        ("device-read-iops" | "device-write-iops", _) => parse_throttle(s, false).map(drop),
        ("tag", "list") => bottleship_oci::Reference::parse(s)
            .map(drop)
            .map_err(|e| e.to_string()),
        (_, "mount") => super::mount::parse(s).map(drop),
        (_, "network") => parse_network(s).map(drop),
        (_, "ulimit") => parse_ulimit(s).map(drop),
        (_, "gpu-request") => parse_gpus(s).map(drop),
        (_, "filter") => {
            if s.is_empty() || s.contains('=') {
                Ok(())
            } else {
                Err("invalid argument \"".to_string()
                    + s
                    + "\" for filter: bad format of filter (expected name=value)")
                .map_err(|_: String| "bad format of filter (expected name=value)".to_string())
            }
        }
        _ => Ok(()),
    }
}

/// A domain to search: dotted labels, at least one letter, or `.` (opts.ValidateDNSSearch).
fn check_domain(s: &str) -> Check<()> {
    let bare = s.trim_matches(' ');
    if bare == "." {
        return Ok(());
    }
    let name = bare.trim_end();
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |l: &str| {
        !l.is_empty()
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    if name.len() < 255
        && name.bytes().any(|b| b.is_ascii_alphabetic())
        && name.split('.').all(label)
    {
        return Ok(());
    }
    Err(format!("{bare} is not a valid domain"))
}

/// Whether a flag's value is in the long form `key=value,…` (docker/cli opts: `\w+=\w+`).
fn is_long_form(s: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    s.match_indices('=')
        .any(|(at, _)| s[..at].ends_with(word) && s[at + 1..].starts_with(word))
}

fn check_sysctl(s: &str) -> Check<()> {
    const NAMES: [&str; 9] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.domainname",
    ];
    match s.split_once('=') {
        Some((k, _))
            if NAMES.contains(&k) || k.starts_with("net.") || k.starts_with("fs.mqueue.") =>
        {
            Ok(())
        }
        _ => Err(format!("sysctl '{s}' is not allowed")),
    }
}

/// `--add-host NAME:IP` or `NAME=IP`, as `NAME:IP`.
pub fn parse_extra_host(s: &str) -> Check<String> {
    let (name, ip) = match s.split_once('=') {
        Some(p) => p,
        None => s.split_once(':').unwrap_or((s, "")),
    };
    if name.is_empty() || ip.is_empty() {
        return Err(format!("bad format for add-host: {}", quote(s)));
    }
    let bare = ip
        .strip_prefix('[')
        .and_then(|i| i.strip_suffix(']'))
        .unwrap_or(ip);
    if bare != "host-gateway" && bare.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: {}", quote(bare)));
    }
    Ok(format!("{name}:{bare}"))
}

/// `--ulimit NAME=SOFT[:HARD]`.
pub fn parse_ulimit(s: &str) -> Check<(String, i64, i64)> {
    const NAMES: [&str; 16] = [
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
        "as",
    ];
    let Some((name, value)) = s.split_once('=') else {
        return Err(format!("invalid ulimit argument: {s}"));
    };
    if !NAMES[..15].contains(&name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |v: &str| -> Check<i64> {
        v.parse()
            .map_err(|_| format!("strconv.ParseInt: parsing {}: invalid syntax", quote(v)))
    };
    let mut parts = value.splitn(3, ':');
    let soft = number(parts.next().unwrap_or(""))?;
    let hard = match parts.next() {
        Some(h) => number(h)?,
        None => soft,
    };
    if parts.next().is_some() {
        return Err("too many limit value arguments - ".to_string()
            + value
            + ", can only have up to two, `soft[:hard]`");
    }
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        ));
    }
    Ok((name.into(), soft, hard))
}

/// `PATH:WEIGHT`.
pub fn parse_weight_device(s: &str) -> Check<J> {
    let (path, weight) = s
        .split_once(':')
        .ok_or_else(|| format!("bad format: {s}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {s}"));
    }
    let w: u16 = weight
        .parse()
        .map_err(|_| format!("invalid weight for device: {s}"))?;
    if w > 0 && !(10..=1000).contains(&w) {
        return Err(format!("invalid weight for device: {s}"));
    }
    Ok(json!({"Path": path, "Weight": w}))
}

/// `PATH:RATE`.
pub fn parse_throttle(s: &str, bytes: bool) -> Check<J> {
    let (path, rate) = s
        .split_once(':')
        .ok_or_else(|| format!("bad format: {s}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {s}"));
    }
    let r = if bytes {
        parse_bytes(rate).map_err(|_| {
            format!(
                "invalid rate for device: {s}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
            )
        })?
    } else {
        rate.parse().map_err(|_| {
            format!("invalid rate for device: {s}. The correct format is <device-path>:<number>. Number must be a positive integer")
        })?
    };
    Ok(json!({"Path": path, "Rate": r}))
}

/// A `--network`: the network's name and what belongs to its endpoint.
#[derive(Debug, Default, PartialEq)]
pub struct Network {
    pub target: String,
    pub aliases: Vec<String>,
    pub driver_opts: Vec<(String, String)>,
    pub ipv4: String,
    pub ipv6: String,
    pub link_local: Vec<String>,
    pub mac: String,
    pub priority: i64,
}

/// `--network NAME` or `--network name=NAME,alias=A,…`.
pub fn parse_network(s: &str) -> Check<Network> {
    let mut n = Network::default();
    if !is_long_form(s) {
        n.target = s.into();
        return Ok(n);
    }
    for field in s.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field {field}"));
        };
        let (key, value) = (key.trim().to_lowercase(), value.trim());
        match key.as_str() {
            "name" => n.target = value.into(),
            "alias" => n.aliases.push(value.into()),
            "ip" => n.ipv4 = value.into(),
            "ip6" => n.ipv6 = value.into(),
            "mac-address" => n.mac = value.into(),
            "link-local-ip" => n.link_local.push(value.into()),
            "driver-opt" => match value.split_once('=') {
                Some((k, v)) => n
                    .driver_opts
                    .push((k.trim().to_lowercase(), v.trim().into())),
                None => return Err("invalid key value pair format in driver options".into()),
            },
            "gw-priority" => {
                n.priority = value
                    .parse()
                    .map_err(|_| format!("invalid gw-priority ({value}): strconv.ParseInt: parsing {}: invalid syntax", quote(value)))?;
            }
            _ => return Err(format!("invalid field key {key}")),
        }
    }
    if n.target.is_empty() {
        return Err("network name/id is not specified".into());
    }
    Ok(n)
}

/// `--gpus`.
pub fn parse_gpus(s: &str) -> Check<J> {
    let count = |v: &str| -> Check<i64> {
        match v {
            "all" => Ok(-1),
            v => v.parse().map_err(|_| {
                format!("invalid count ({v}): value must be either \"all\" or an integer: invalid syntax")
            }),
        }
    };
    if s.is_empty() {
        return Err("EOF".into());
    }
    let mut request = json!({"Driver": "", "Count": 0, "DeviceIDs": null, "Capabilities": [["gpu"]], "Options": {}});
    for field in s.split(',') {
        match field.split_once('=') {
            None => request["Count"] = count(field)?.into(),
            Some(("driver", v)) => request["Driver"] = v.into(),
            Some(("count", v)) => request["Count"] = count(v)?.into(),
            Some(("device", v)) => request["DeviceIDs"] = json!([v]),
            Some(("capabilities", v)) => request["Capabilities"] = json!([[v, "gpu"]]),
            Some(("options", v)) => {
                if let Some((k, v)) = v.split_once('=') {
                    request["Options"][k] = v.into();
                }
            }
            Some((k, _)) => return Err(format!("unexpected key '{k}' in '{field}'")),
        }
    }
    Ok(request)
}

/// `--device HOST[:CONTAINER[:PERMISSIONS]]`.
pub fn parse_device(s: &str) -> Check<J> {
    let parts: Vec<&str> = s.split(':').collect();
    let mode_ok = |m: &str| !m.is_empty() && m.len() <= 3 && m.bytes().all(|b| b"rwm".contains(&b));
    let (src, dst, mode) = match parts.as_slice() {
        [a] => (*a, *a, "rwm"),
        [a, b] if mode_ok(b) => (*a, *a, *b),
        [a, b] => (*a, *b, "rwm"),
        [a, b, m] if mode_ok(m) => (*a, *b, *m),
        [_, _, m] => return Err(format!("bad mode specified: {m}")),
        _ => return Err(format!("bad format for path: {s}")),
    };
    if !dst.starts_with('/') {
        return Err(format!("{dst} is not an absolute path"));
    }
    Ok(json!({"PathOnHost": src, "PathInContainer": dst, "CgroupPermissions": mode}))
}

/// `--restart`.
pub fn parse_restart(s: &str) -> Check<J> {
    let (name, count) = match s.split_once(':') {
        Some((n, c)) => (
            n,
            c.parse::<i64>().map_err(|_| {
                "invalid restart policy format: maximum retry count must be an integer".to_string()
            })?,
        ),
        None => (s, 0),
    };
    if s.starts_with(':') {
        return Err("invalid restart policy format: no policy provided before colon".into());
    }
    Ok(json!({"Name": name, "MaximumRetryCount": count}))
}

/// A duration flag, in nanoseconds.
pub fn nanos(m: &Matches, name: &str) -> i64 {
    m.get(name)
        .and_then(|v| parse_go_duration(v).ok())
        .unwrap_or(0)
}

/// A size flag, in bytes; `-1` where it means no limit.
pub fn size(m: &Matches, name: &str) -> i64 {
    match m.get(name) {
        Some("-1") => -1,
        Some(v) => parse_bytes(v).unwrap_or(0),
        None => 0,
    }
}

/// `KEY=VALUE` texts as an object; a missing value is empty.
pub fn object(values: &[&str]) -> J {
    let mut o = serde_json::Map::new();
    for v in values {
        let (k, v) = v.split_once('=').unwrap_or((v, ""));
        o.insert(k.into(), v.into());
    }
    J::Object(o)
}

/// Lines of an `--env-file` or `--label-file`: `KEY=VALUE`, or `KEY` alone.
pub fn parse_key_values(path: &str, data: &[u8]) -> Check<Vec<String>> {
    let mut out = Vec::new();
    for (i, line) in data.split(|b| *b == b'\n').enumerate() {
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(format!(
                "invalid env file ({path}): invalid utf8 bytes at line {}: {:?}",
                i + 1,
                line
            ));
        };
        let line = if i == 0 {
            line.trim_start_matches('\u{feff}')
        } else {
            line
        };
        let line = line.trim_end_matches('\r').trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((k, v)) => (k, Some(v)),
            None => (line, None),
        };
        if key.is_empty() {
            return Err(format!(
                "invalid env file ({path}): no variable name on line '{line}'"
            ));
        }
        if key.contains(char::is_whitespace) {
            return Err(format!(
                "invalid env file ({path}): variable '{key}' contains whitespaces"
            ));
        }
        out.push(match value {
            Some(v) => format!("{key}={v}"),
            None => key.to_string(),
        });
    }
    Ok(out)
}

impl Cli<'_> {
    /// Environment entries from files, then flags; a bare name takes the client's value, or is dropped
    /// (from a flag: unset in the image's environment).
    pub async fn environment(&self, m: &Matches) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        for path in m.list("env-file") {
            let data = self.read_file(path, 16 << 20).await?;
            for entry in parse_key_values(path, &data).map_err(Failure::new)? {
                if entry.contains('=') {
                    all.push(entry);
                } else if let Some(v) = self.host.env(&entry) {
                    all.push(format!("{entry}={v}"));
                }
            }
        }
        for e in m.list("env") {
            if e.contains('=') {
                all.push(e.to_string());
            } else {
                all.push(match self.host.env(e) {
                    Some(v) => format!("{e}={v}"),
                    None => e.to_string(),
                });
            }
        }
        Ok(all)
    }

    /// Labels from files, then flags.
    pub async fn labels(&self, m: &Matches) -> Result<J, Failure> {
        let mut all = Vec::new();
        for path in m.list("label-file") {
            let data = self.read_file(path, 16 << 20).await?;
            all.extend(parse_key_values(path, &data).map_err(Failure::new)?);
        }
        all.extend(m.list("label").iter().map(|l| l.to_string()));
        Ok(object(&all.iter().map(String::as_str).collect::<Vec<_>>()))
    }
}
