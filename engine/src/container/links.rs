//! Legacy links (`--link` on the default bridge): other containers as environment variables and names.

use super::record::Record;
use crate::engine::Engine;
use crate::network::Protocol;
use crate::networking::parse_port;

/// Container and alias of `NAME[:ALIAS]`, also of the form that dockerd stores, `/NAME:/PARENT/ALIAS`.
pub fn parse(link: &str) -> (&str, &str) {
    let (name, alias) = link.split_once(':').unwrap_or((link, link));
    (
        name.trim_start_matches('/'),
        alias.rsplit('/').next().unwrap_or(alias),
    )
}

/// What a linked container is to the one that links to it.
struct Linked<'a> {
    address: &'a str,
    /// Ports and protocols, sorted.
    ports: Vec<(u16, Protocol)>,
    env: &'a [String],
}

/// The variables that a container's links add to its environment.
pub fn environment(engine: &Engine, record: &Record) -> Vec<String> {
    let mut env = Vec::new();
    for link in record.host_config.links.iter().flatten() {
        let (name, alias) = parse(link);
        let Ok(other) = engine.containers().find(name) else {
            continue;
        };
        let other = other.record();
        let address = other.networks.values().map(|n| &n.ip_address);
        let Some(address) = address.into_iter().find(|a| !a.is_empty()) else {
            continue;
        };
        let linked = Linked {
            address,
            ports: ports(other.config.exposed_ports.as_ref()),
            env: other.config.env.as_deref().unwrap_or_default(),
        };
        linked.describe(&record.name, alias, &mut env);
    }
    env
}

fn ports<T>(exposed: Option<&std::collections::BTreeMap<String, T>>) -> Vec<(u16, Protocol)> {
    let mut ports: Vec<_> = exposed
        .into_iter()
        .flat_map(|ports| ports.keys())
        .filter_map(|port| parse_port(port))
        .collect();
    // By protocol, then number: runs of one protocol are together.
    ports.sort_unstable_by_key(|(port, protocol)| (*protocol, *port));
    ports
}

impl Linked<'_> {
    /// moby's `links.ToEnv`.
    fn describe(&self, parent: &str, alias: &str, env: &mut Vec<String>) {
        let prefix = alias.to_uppercase().replace('-', "_");
        let address = self.address;
        let url =
            |(port, protocol): (u16, Protocol)| format!("{}://{address}:{port}", protocol.name());
        // TCP is the smaller of two protocols on the lowest port.
        if let Some(&first) = self.ports.iter().min() {
            env.push(format!("{prefix}_PORT={}", url(first)));
        }
        let of_port = |(port, protocol): (u16, Protocol)| {
            let protocol = protocol.name().to_uppercase();
            format!("{prefix}_PORT_{port}_{protocol}")
        };
        for run in self.ports.chunk_by(|a, b| a.1 == b.1 && a.0 + 1 == b.0) {
            if let [first, .., last] = *run
                && run.len() > 2
            {
                let name = of_port(first);
                env.push(format!("{name}_START={}", url(first)));
                env.push(format!("{name}_ADDR={address}"));
                env.push(format!("{name}_PROTO={}", first.1.name()));
                env.push(format!("{name}_PORT_START={}", first.0));
                env.push(format!("{name}_END={}", url(last)));
                env.push(format!("{name}_PORT_END={}", last.0));
            }
        }
        for &port in &self.ports {
            let name = of_port(port);
            env.push(format!("{name}={}", url(port)));
            env.push(format!("{name}_ADDR={address}"));
            env.push(format!("{name}_PORT={}", port.0));
            env.push(format!("{name}_PROTO={}", port.1.name()));
        }
        env.push(format!("{prefix}_NAME=/{parent}/{alias}"));
        for variable in self.env {
            // What says where programs are is not the other container's business.
            if let Some((name, value)) = variable.split_once('=')
                && !matches!(name, "HOME" | "PATH")
            {
                env.push(format!("{prefix}_ENV_{name}={value}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::types::StringMap;

    #[test]
    fn links_are_read_in_both_forms() {
        assert_eq!(parse("db"), ("db", "db"));
        assert_eq!(parse("db:store"), ("db", "store"));
        assert_eq!(parse("/db:/web/store"), ("db", "store"));
    }

    #[test]
    fn the_environment_is_mobys() {
        let exposed: StringMap = ["6379/tcp", "53/udp", "80/tcp", "81/tcp", "82/tcp"]
            .map(|port| (port.to_owned(), String::new()))
            .into();
        let linked = Linked {
            address: "172.17.0.2",
            ports: ports(Some(&exposed)),
            env: &["PATH=/bin".to_owned(), "MODE=fast".to_owned()],
        };
        let mut env = Vec::new();
        linked.describe("web", "my-db", &mut env);
        assert_eq!(env[0], "MY_DB_PORT=udp://172.17.0.2:53");
        for expected in [
            "MY_DB_PORT_6379_TCP=tcp://172.17.0.2:6379",
            "MY_DB_PORT_6379_TCP_ADDR=172.17.0.2",
            "MY_DB_PORT_6379_TCP_PORT=6379",
            "MY_DB_PORT_6379_TCP_PROTO=tcp",
            "MY_DB_PORT_53_UDP=udp://172.17.0.2:53",
            "MY_DB_PORT_80_TCP_START=tcp://172.17.0.2:80",
            "MY_DB_PORT_80_TCP_PORT_END=82",
            "MY_DB_NAME=/web/my-db",
            "MY_DB_ENV_MODE=fast",
        ] {
            assert!(env.iter().any(|v| v == expected), "{expected}: {env:?}");
        }
        assert!(!env.iter().any(|v| v.contains("_ENV_PATH")));
    }
}
