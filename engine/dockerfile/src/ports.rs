//! EXPOSE's port specs: `[ip:]public:private/proto`, ranges included.

use std::net::IpAddr;

use crate::error::{Error, LineRange, Result};
use crate::lint::{Linter, Rule};
use crate::{goform, limits};

/// The `port/proto` list of EXPOSE's words.
///
/// # Errors
/// `invalid port: …` and its kin.
pub fn parse_specs(
    specs: &[String],
    location: LineRange,
    lint: &mut Linter,
) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for spec in specs {
        out.extend(parse_spec(spec, location, lint)?);
        if out.len() > limits::PORTS {
            return Err(Error::new(format!(
                "EXPOSE names more than the limit of {} ports",
                limits::PORTS
            )));
        }
    }
    Ok(out)
}

fn parse_spec(spec: &str, location: LineRange, lint: &mut Linter) -> Result<Vec<String>> {
    let (ip, host, container) = split(spec);
    let invalid =
        |what: String| Error::new(format!("invalid port: {}: {what}", goform::quote(spec)));
    let (ports, proto) = container.split_once('/').unwrap_or((container, ""));
    if ports.is_empty() {
        return Err(invalid("no port specified".into()));
    }
    let lower = match proto.to_lowercase().as_str() {
        "" => "tcp".to_owned(),
        known @ ("tcp" | "udp" | "sctp") => known.to_owned(),
        _ => return Err(invalid(format!("invalid proto: {proto}"))),
    };
    if proto != proto.to_lowercase() {
        lint.run(&Rule::EXPOSE_PROTO_CASING, location, || {
            format!("Defined protocol '{spec}' in EXPOSE instruction should be lowercase")
        });
    }
    if !ip.is_empty() || !host.is_empty() {
        lint.run(&Rule::EXPOSE_INVALID_FORMAT, location, || {
            format!(
                "EXPOSE instruction should not define an IP address or host-port mapping, found '{spec}'"
            )
        });
    }
    let bare = match ip.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(|| {
            Error::new(format!("invalid IP address {ip}: missing ']' in address"))
        })?,
        None => ip.as_str(),
    };
    if !bare.is_empty() && bare.parse::<IpAddr>().is_err() {
        return Err(Error::new(format!("invalid IP address: {bare}")));
    }
    let (start, end) =
        range(ports).ok_or_else(|| Error::new(format!("invalid containerPort: {ports}")))?;
    if !host.is_empty() {
        let (host_start, host_end) =
            range(host).ok_or_else(|| Error::new(format!("invalid hostPort: {host}")))?;
        if end - start != host_end - host_start && start != end {
            return Err(Error::new(format!(
                "invalid ranges specified for container and host Ports: {ports} and {host}"
            )));
        }
    }
    Ok((start..=end)
        .map(|port| format!("{port}/{lower}"))
        .collect())
}

/// Address, host port, container port; colons beyond the last two belong to the address.
fn split(spec: &str) -> (String, &str, &str) {
    let Some((rest, container)) = spec.rsplit_once(':') else {
        return (String::new(), "", spec);
    };
    match rest.rsplit_once(':') {
        Some((ip, host)) => (ip.to_owned(), host, container),
        None => (String::new(), rest, container),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |s: &str| {
        s.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| s.parse::<u16>().ok())
            .flatten()
    };
    match text.split_once('-') {
        None => number(text).map(|n| (n, n)),
        Some((start, end)) => {
            let (start, end) = (number(start)?, number(end)?);
            (start <= end).then_some((start, end))
        }
    }
}
