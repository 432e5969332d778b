//! `--publish` and `--expose` (docker/go-connections nat).

use super::opts::Check;
use crate::cli::prelude::*;

/// Exposed ports and their bindings, as the API's two maps.
#[derive(Debug, Default, PartialEq)]
pub struct Ports {
    pub exposed: serde_json::Map<String, J>,
    pub bindings: serde_json::Map<String, J>,
}

fn range(s: &str) -> Check<(u16, u16)> {
    let number = |s: &str| -> Check<u16> {
        s.parse().map_err(|_| {
            let why = if !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit()) {
                "value out of range"
            } else {
                "invalid syntax"
            };
            format!("strconv.ParseUint: parsing {}: {why}", quote(s))
        })
    };
    if s.is_empty() {
        return Err("empty string specified for ports".into());
    }
    match s.split_once('-') {
        None => number(s).map(|n| (n, n)),
        Some((a, b)) => {
            let (a, b) = (number(a)?, number(b)?);
            if b < a {
                return Err(format!("invalid range specified for port: {s}"));
            }
            Ok((a, b))
        }
    }
}

/// `[HOST_IP:][HOST_PORT]:CONTAINER_PORT[/PROTO]` or a long form `published=…,target=…`.
pub fn publish(spec: &str, ports: &mut Ports) -> Check<()> {
    let long;
    let spec = if spec.contains('=') {
        long = long_form(spec)?;
        &long
    } else {
        spec
    };
    let (rest, container) = spec.rsplit_once(':').unwrap_or(("", spec));
    let (ip, host) = match rest.rsplit_once(':') {
        Some((ip, host)) => (ip, host),
        None => ("", rest),
    };
    let bare = ip
        .strip_prefix('[')
        .and_then(|i| i.strip_suffix(']'))
        .unwrap_or(ip);
    let (container, proto) = container.split_once('/').unwrap_or((container, "tcp"));
    if !bare.is_empty() && bare.parse::<std::net::IpAddr>().is_err() {
        return Err(format!("invalid IP address: {ip}"));
    }
    if container.is_empty() {
        return Err(format!("no port specified: {spec}<empty>"));
    }
    let (from, to) = range(container).map_err(|_| format!("invalid containerPort: {container}"))?;
    let proto = proto.to_lowercase();
    if !matches!(proto.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("invalid proto: {proto}"));
    }
    let hosts = if host.is_empty() {
        None
    } else {
        Some(range(host).map_err(|_| format!("invalid hostPort: {host}"))?)
    };
    if let Some((a, b)) = hosts
        && b - a != to - from
        && from != to
    {
        return Err(format!(
            "invalid ranges specified for container and host Ports: {container} and {host}"
        ));
    }
    for (i, port) in (from..=to).enumerate() {
        let key = format!("{port}/{proto}");
        let host_port = match hosts {
            None => String::new(),
            // One container port may be offered a range of host ports to choose from.
            Some((a, b)) if from == to && a != b => format!("{a}-{b}"),
            Some((a, _)) => (usize::from(a) + i).to_string(),
        };
        ports.exposed.insert(key.clone(), json!({}));
        if let J::Array(list) = ports.bindings.entry(key).or_insert_with(|| json!([])) {
            list.push(json!({"HostIp": bare, "HostPort": host_port}));
        }
    }
    Ok(())
}

fn long_form(spec: &str) -> Check<String> {
    let (mut published, mut target, mut proto) = ("", "", "tcp");
    for field in spec.split(',') {
        match field.split_once('=') {
            Some(("published", v)) => published = v,
            Some(("target", v)) => target = v,
            Some(("protocol", v)) => proto = v,
            Some((key, _)) if !key.is_empty() => {}
            _ => {
                return Err(format!(
                    "invalid publish opts format (should be name=value but got '{field}')"
                ));
            }
        }
    }
    Ok(format!("{published}:{target}/{proto}"))
}

/// `--expose PORT[-PORT][/PROTO]`.
pub fn expose(spec: &str, ports: &mut Ports) -> Check<()> {
    if spec.contains(':') {
        return Err(format!("invalid port format for --expose: {spec}"));
    }
    let (port, proto) = spec.split_once('/').unwrap_or((spec, "tcp"));
    let (from, to) = range(port)
        .map_err(|e| format!("invalid range format for --expose: {port}, error: {e}"))?;
    for p in from..=to {
        ports
            .exposed
            .insert(format!("{p}/{}", proto.to_lowercase()), json!({}));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports() {
        let mut p = Ports::default();
        publish("127.0.0.1:8080-8081:80-81/udp", &mut p).unwrap();
        publish("53", &mut p).unwrap();
        publish("[::1]:1:2", &mut p).unwrap();
        assert_eq!(
            p.bindings["81/udp"],
            json!([{"HostIp": "127.0.0.1", "HostPort": "8081"}])
        );
        assert_eq!(
            p.bindings["53/tcp"],
            json!([{"HostIp": "", "HostPort": ""}])
        );
        assert_eq!(
            p.bindings["2/tcp"],
            json!([{"HostIp": "::1", "HostPort": "1"}])
        );
        for (bad, text) in [
            ("abc", "invalid containerPort: abc"),
            ("70000:80", "invalid hostPort: 70000"),
            ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("80:80:80:80", "invalid IP address: 80:80"),
            ("80/foo", "invalid proto: foo"),
        ] {
            assert_eq!(publish(bad, &mut Ports::default()), Err(text.to_string()));
        }
    }
}
