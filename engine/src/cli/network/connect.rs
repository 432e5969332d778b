//! `docker network connect`: connect a container to a network.

use crate::cli::container::opts::object;
use crate::cli::prelude::*;

/// The command.
pub const COMMAND: Command = Command {
    names: &["network connect"],
    usage: "[OPTIONS] NETWORK CONTAINER",
    about: "Connect a container to a network",
    args: Args::Exact(2),
    flags: &[
        Flag::long(
            "alias",
            "strings",
            "Add network-scoped alias for the container",
        ),
        Flag::long("driver-opt", "strings", "driver options for the network"),
        Flag::long(
            "gw-priority",
            "int",
            "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
        ),
        Flag::long("ip", "string", "IPv4 address (e.g., \"172.30.100.104\")"),
        Flag::long("ip6", "string", "IPv6 address (e.g., \"2001:db8::33\")"),
        Flag::long("link", "list", "Add link to another container"),
        Flag::long(
            "link-local-ip",
            "strings",
            "Add a link-local address for the container",
        ),
    ],
    run: |cli, m| Box::pin(run(cli, m)),
};

async fn run(cli: &Cli<'_>, m: &Matches) -> Result<(), Failure> {
    let mut endpoint = json!({});
    if m.given("ip") || m.given("ip6") || m.given("link-local-ip") {
        endpoint["IPAMConfig"] = json!({
            "IPv4Address": m.str("ip"),
            "IPv6Address": m.str("ip6"),
            "LinkLocalIPs": m.list("link-local-ip"),
        });
    }
    if m.given("link") {
        endpoint["Links"] = json!(m.list("link"));
    }
    if m.given("alias") {
        endpoint["Aliases"] = json!(m.list("alias"));
    }
    if m.given("driver-opt") {
        let options = m.list("driver-opt");
        if options.iter().any(|o| !o.contains('=')) {
            return Err(Failure::new(
                "invalid key/value pair format in driver options",
            ));
        }
        endpoint["DriverOpts"] = object(&options);
    }
    if let Some(n) = m.int("gw-priority") {
        endpoint["GwPriority"] = n.into();
    }
    cli.post(
        format!("/networks/{}/connect", segment(m.arg(0))),
        &json!({"Container": m.arg(1), "EndpointConfig": endpoint}),
    )
    .await?;
    Ok(())
}
