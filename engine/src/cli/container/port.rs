//! `docker container port`: list port mappings or a specific mapping for the container.

use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["container port", "port"],
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    about: "List port mappings or a specific mapping for the container",
    args: Args::Range(1, 2),
    flags: &[],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let c = cli
        .get(format!("/containers/{}/json", segment(m.arg(0))))
        .await?;
    let ports = c.at("NetworkSettings").at("Ports");
    let mut lines = Vec::new();
    let address = |b: &J| {
        let ip = b.text("HostIp");
        let ip = if ip.contains(':') {
            format!("[{ip}]")
        } else {
            ip.to_string()
        };
        format!("{ip}:{}", b.text("HostPort"))
    };
    if m.args.len() > 1 {
        let (port, proto) = m.arg(1).split_once('/').unwrap_or((m.arg(1), "tcp"));
        if port.parse::<u16>().is_err() {
            return Err(Failure::new(format!(
                "Error: invalid port ({port}): strconv.ParseUint: parsing {}: invalid syntax",
                quote(port)
            )));
        }
        let bindings = ports.items(&format!("{port}/{proto}"));
        if bindings.is_empty() {
            return Err(Failure::new(format!(
                "Error: No public port '{}' published for {}",
                m.arg(1),
                m.arg(0)
            )));
        }
        lines.extend(bindings.iter().map(address));
    } else if let J::Object(all) = ports {
        let mut keys: Vec<(u32, &String)> = all
            .keys()
            .map(|k| {
                (
                    k.split('/')
                        .next()
                        .and_then(|p| p.parse().ok())
                        .unwrap_or(0),
                    k,
                )
            })
            .collect();
        keys.sort();
        for (_, k) in keys {
            lines.extend(
                ports
                    .items(k)
                    .iter()
                    .map(|b| format!("{k} -> {}", address(b))),
            );
        }
    }
    // As text: with several host ports the addresses of one family are together.
    lines.sort();
    for l in lines {
        cli.out(&format!("{l}\n")).await;
    }
    Ok(())
}
