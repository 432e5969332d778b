//! `docker network create`: create a network.

use crate::cli::command::go_bool;
use crate::cli::container::opts::object;
use crate::cli::prelude::*;
use std::net::IpAddr;

/// The command.
pub const COMMAND: Command = Command {
    names: &["network create"],
    usage: "[OPTIONS] NETWORK",
    about: "Create a network",
    args: Args::Exact(1),
    flags: &[
        Flag::long("attachable", "", "Enable manual container attachment"),
        Flag::long(
            "aux-address",
            "map",
            "Auxiliary IPv4 or IPv6 addresses used by Network driver (default map[])",
        ),
        Flag::long(
            "config-from",
            "string",
            "The network from which to copy the configuration",
        ),
        Flag::long("config-only", "", "Create a configuration only network"),
        Flag::new(
            'd',
            "driver",
            "string",
            "Driver to manage the Network (default \"bridge\")",
        ),
        Flag::long(
            "gateway",
            "strings",
            "IPv4 or IPv6 Gateway for the master subnet",
        ),
        Flag::long("ingress", "", "Create swarm routing-mesh network"),
        Flag::long("internal", "", "Restrict external access to the network"),
        Flag::long(
            "ip-range",
            "strings",
            "Allocate container ip from a sub-range",
        ),
        Flag::long(
            "ipam-driver",
            "string",
            "IP Address Management Driver (default \"default\")",
        ),
        Flag::long(
            "ipam-opt",
            "map",
            "Set IPAM driver specific options (default map[])",
        ),
        Flag::long(
            "ipv4",
            "",
            "Enable or disable IPv4 address assignment (default true)",
        ),
        Flag::long("ipv6", "", "Enable or disable IPv6 address assignment"),
        Flag::long("label", "list", "Set metadata on a network"),
        Flag::new(
            'o',
            "opt",
            "map",
            "Set driver specific options (default map[])",
        ),
        Flag::long("scope", "string", "Control the network's scope"),
        Flag::long(
            "subnet",
            "strings",
            "Subnet in CIDR format that represents a network segment",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let config = ipam(m)?;
    let mut body = json!({
        "Name": m.arg(0),
        "Driver": m.get("driver").unwrap_or("bridge"),
        "Scope": m.str("scope"),
        "IPAM": {
            "Driver": m.get("ipam-driver").unwrap_or("default"),
            "Options": object(&m.list("ipam-opt")),
            "Config": config,
        },
        "Internal": m.on("internal"),
        "Attachable": m.on("attachable"),
        "Ingress": m.on("ingress"),
        "ConfigOnly": m.on("config-only"),
        "Options": object(&m.list("opt")),
        "Labels": object(&m.list("label")),
    });
    for (flag, field) in [("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")] {
        if let Some(v) = m.get(flag) {
            body[field] = go_bool(v).into();
        }
    }
    if m.given("config-from") {
        body["ConfigFrom"] = json!({"Network": m.str("config-from")});
    }
    let answer = cli.post("/networks/create", &body).await?;
    let warning = answer.text("Warning");
    if !warning.is_empty() {
        cli.err(&format!("WARNING: {warning}\n")).await;
    }
    cli.out(&format!("{}\n", answer.text("Id"))).await;
    Ok(())
}

/// An address and the length of its prefix.
fn cidr(s: &str) -> Option<(u128, u32, bool)> {
    let (ip, bits) = s.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    match ip.parse().ok()? {
        IpAddr::V4(a) if bits <= 32 => Some((u128::from(u32::from(a)) << 96, bits, true)),
        IpAddr::V6(a) if bits <= 128 => Some((u128::from(a), bits, false)),
        _ => None,
    }
}

fn holds(subnet: &str, address: &str) -> bool {
    let full = if address.contains('/') {
        address.to_string()
    } else if address.contains(':') {
        format!("{address}/128")
    } else {
        format!("{address}/32")
    };
    match (cidr(subnet), cidr(&full)) {
        (Some((net, bits, v4)), Some((a, _, b4))) if v4 == b4 => {
            bits == 0 || (net ^ a) >> (128 - bits) == 0
        }
        _ => false,
    }
}

/// One pool per subnet, with the range, gateway and reserved addresses that lie in it.
fn ipam(m: &Matches) -> Result<Vec<J>, Failure> {
    let (subnets, ranges, gateways, reserved) = (
        m.list("subnet"),
        m.list("ip-range"),
        m.list("gateway"),
        m.list("aux-address"),
    );
    if subnets.len() < ranges.len() || subnets.len() < gateways.len() {
        return Err(Failure::new(
            "every ip-range or gateway must have a corresponding subnet",
        ));
    }
    for (i, a) in subnets.iter().enumerate() {
        if let Some(b) = subnets[..i].iter().find(|b| holds(a, b) || holds(b, a)) {
            let _ = b;
            return Err(Failure::new(
                "multiple overlapping subnet configuration is not supported",
            ));
        }
    }
    let mut pools: Vec<J> = subnets.iter().map(|s| json!({"Subnet": s})).collect();
    let mut place = |address: &str, field: &str, label: &str, what: &str| -> Result<(), Failure> {
        let Some(i) = subnets.iter().position(|s| holds(s, address)) else {
            return Err(Failure::new(format!(
                "no matching subnet for {what} {address}"
            )));
        };
        if field == "AuxiliaryAddresses" {
            pools[i][field][label] = address.into();
        } else if pools[i].get(field).is_some() {
            return Err(Failure::new(format!(
                "cannot configure multiple {what}s ({address}, {}) on the same subnet ({})",
                pools[i].text(field),
                subnets[i]
            )));
        } else {
            pools[i][field] = address.into();
        }
        Ok(())
    };
    for r in ranges {
        place(r, "IPRange", "", "range")?;
    }
    for g in gateways {
        place(g, "Gateway", "", "gateway")?;
    }
    for a in reserved {
        let (name, address) = a.split_once('=').unwrap_or((a, ""));
        place(address, "AuxiliaryAddresses", name, "aux-address")?;
    }
    Ok(pools)
}
