//! What the operator of an engine decides.

/// Settings of an engine, dockerd's flags and `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The host's name, `docker info`'s `Name`.
    pub hostname: String,
    /// Where Docker would keep its files; only shown.
    pub root_dir: String,
    /// Log driver of containers that do not choose one.
    pub log_driver: String,
    /// Options of that driver.
    pub log_options: Vec<(String, String)>,
    /// Bytes of a container's log at most, whatever its options say.
    pub log_limit: u64,
    /// Subnets for networks that do not choose one: base, prefix length of the pool, prefix length of each.
    pub address_pools: Vec<(std::net::Ipv4Addr, u8, u8)>,
    /// Bytes of a request's JSON body at most.
    pub max_json_body: usize,
    /// Bytes of an uploaded archive or build context at most.
    pub max_archive: usize,
    /// Containers at most.
    pub max_containers: usize,
    /// Registries that may be spoken to over plain HTTP, besides loopback addresses.
    pub insecure_registries: Vec<String>,
    /// Registries asked before Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// `Builder-Version` of `/_ping`: 1 is the classic builder, 2 BuildKit.
    pub builder_version: &'static str,
    /// Labels of the engine.
    pub labels: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            hostname: "bottleship".into(),
            root_dir: "/var/lib/docker".into(),
            log_driver: "json-file".into(),
            log_options: Vec::new(),
            log_limit: 16 << 20,
            address_pools: default_address_pools(),
            max_json_body: 4 << 20,
            max_archive: 1 << 30,
            max_containers: 1000,
            insecure_registries: Vec::new(),
            registry_mirrors: Vec::new(),
            builder_version: "1",
            labels: Vec::new(),
        }
    }
}

/// Docker's: 172.17–172.31 as /16 each, then 192.168 as /20 each.
fn default_address_pools() -> Vec<(std::net::Ipv4Addr, u8, u8)> {
    let mut pools: Vec<_> = (17..32)
        .map(|n| (std::net::Ipv4Addr::new(172, n, 0, 0), 16, 16))
        .collect();
    pools.push((std::net::Ipv4Addr::new(192, 168, 0, 0), 16, 20));
    pools
}
