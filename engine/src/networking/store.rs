//! The networks there are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::ipam::Pool;
use super::ports::PortAllocator;
use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::types::{EndpointResource, Ipam, IpamConfig, NetworkInspect, StringMap, Timestamp};
use crate::engine::Engine;
use crate::events::attributes;
use crate::network::{NetworkSpec, Subnet};
use crate::store::Op;

const BUCKET: &str = "networks";

/// A network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkRecord {
    pub id: String,
    pub name: String,
    pub created: Timestamp,
    pub driver: String,
    pub enable_ipv6: bool,
    /// As it was asked for, with the subnet that was chosen.
    pub ipam: Ipam,
    pub gateway: String,
    pub internal: bool,
    pub attachable: bool,
    pub options: StringMap,
    pub labels: StringMap,
    /// Addresses in use, for drivers that have any.
    #[serde(skip)]
    pub pool: Option<Pool>,
    /// Running containers on it, by id.
    #[serde(skip)]
    pub endpoints: BTreeMap<String, EndpointResource>,
}

/// A shared network.
pub type NetworkRef = Rc<RefCell<NetworkRecord>>;

/// The engine's networks.
#[derive(Default)]
pub struct Networks {
    by_id: RefCell<BTreeMap<String, NetworkRef>>,
    pub ports: PortAllocator,
}

impl NetworkRecord {
    /// Whether Docker made it: bridge, host, none.
    pub fn is_predefined(&self) -> bool {
        matches!(self.name.as_str(), "bridge" | "host" | "none")
    }

    /// Whether names resolve and addresses can be chosen on it.
    pub fn is_user_defined(&self) -> bool {
        self.driver == "bridge" && !self.is_predefined()
    }

    /// The bridge's interface name on the host.
    pub fn bridge_name(&self) -> String {
        let named = self.options.get("com.docker.network.bridge.name");
        named
            .cloned()
            .unwrap_or_else(|| format!("br-{}", self.id.get(..12).unwrap_or(&self.id)))
    }

    /// What the port needs to know.
    pub fn spec(&self) -> NetworkSpec {
        let subnet = self.pool.as_ref().map(|pool| Subnet {
            address: IpAddr::V4(pool.address()),
            prefix: pool.prefix(),
        });
        let gateway = self.gateway.parse().ok();
        let icc = self.options.get("com.docker.network.bridge.enable_icc");
        NetworkSpec {
            id: self.id.clone(),
            bridge: self.bridge_name(),
            subnets: subnet.zip(gateway).into_iter().collect(),
            internal: self.internal,
            inter_container: icc.is_none_or(|icc| icc != "false"),
        }
    }

    /// As the API shows it; lists leave the containers out.
    pub fn wire(&self, with_containers: bool) -> NetworkInspect {
        NetworkInspect {
            name: self.name.clone(),
            id: self.id.clone(),
            created: self.created,
            scope: "local".into(),
            driver: self.driver.clone(),
            enable_ipv4: true,
            enable_ipv6: self.enable_ipv6,
            ipam: self.ipam.clone(),
            internal: self.internal,
            attachable: self.attachable,
            containers: if with_containers {
                self.endpoints.clone()
            } else {
                BTreeMap::new()
            },
            options: self.options.clone(),
            labels: self.labels.clone(),
            ..NetworkInspect::default()
        }
    }
}

impl Networks {
    /// Reads what a former engine stored and makes what Docker always has.
    pub async fn load(&self, engine: &Engine) -> Result<(), ApiError> {
        for (_, json) in engine.ports().store.load(BUCKET).await? {
            let Ok(mut record) = serde_json::from_slice::<NetworkRecord>(&json) else {
                continue;
            };
            record.pool = pool_of(&record);
            self.insert(record);
        }
        for (name, driver) in [("bridge", "bridge"), ("host", "host"), ("none", "null")] {
            if self.by_name(name).is_none() {
                self.add_predefined(engine, name, driver).await?;
            }
        }
        let all: Vec<NetworkRef> = self.by_id.borrow().values().cloned().collect();
        for network in all {
            let spec = network.borrow().spec();
            if network.borrow().driver == "bridge" {
                engine.ports().network.create_network(&spec).await?;
            }
        }
        Ok(())
    }

    async fn add_predefined(
        &self,
        engine: &Engine,
        name: &str,
        driver: &str,
    ) -> Result<(), ApiError> {
        let mut record = NetworkRecord {
            id: engine.new_id(),
            name: name.into(),
            created: engine.now(),
            driver: driver.into(),
            ipam: Ipam {
                driver: "default".into(),
                options: None,
                config: None,
            },
            ..NetworkRecord::default()
        };
        if driver == "bridge" {
            let mut pool = self.free_pool(engine)?;
            record.gateway = pool.allocate().map(|a| a.to_string()).unwrap_or_default();
            record.ipam.config = Some(vec![IpamConfig {
                subnet: pool.cidr(),
                ..IpamConfig::default()
            }]);
            record.pool = Some(pool);
            let option = |name: &str| format!("com.docker.network.{name}");
            record.options = attributes([
                (option("bridge.default_bridge"), "true"),
                (option("bridge.enable_icc"), "true"),
                (option("bridge.enable_ip_masquerade"), "true"),
                (option("bridge.host_binding_ipv4"), "0.0.0.0"),
                (option("bridge.name"), "docker0"),
                (option("driver.mtu"), "1500"),
            ]);
        }
        self.save(engine, &record).await?;
        self.insert(record);
        Ok(())
    }

    /// A subnet no network uses.
    pub fn free_pool(&self, engine: &Engine) -> Result<Pool, ApiError> {
        for &(base, prefix, size) in &engine.config().address_pools {
            let count = 1u32
                .checked_shl(u32::from(size.saturating_sub(prefix)))
                .unwrap_or(1);
            for index in 0..count {
                let step = 1u32.checked_shl(32 - u32::from(size)).unwrap_or(0);
                let address = u32::from(base).wrapping_add(index.wrapping_mul(step));
                let pool = Pool::new(address.into(), size);
                if !self.overlaps(&pool) {
                    return Ok(pool);
                }
            }
        }
        Err(ApiError::invalid(
            "all predefined address pools have been fully subnetted",
        ))
    }

    /// Whether a network uses some of these addresses.
    pub fn overlaps(&self, pool: &Pool) -> bool {
        self.by_id
            .borrow()
            .values()
            .any(|n| n.borrow().pool.as_ref().is_some_and(|p| p.overlaps(pool)))
    }

    /// Stores a network.
    pub async fn save(&self, engine: &Engine, record: &NetworkRecord) -> Result<(), ApiError> {
        let value = serde_json::to_vec(record).unwrap_or_default().into();
        Ok(engine
            .ports()
            .store
            .commit(vec![Op::Put {
                bucket: BUCKET,
                key: record.id.clone(),
                value,
            }])
            .await?)
    }

    /// Adds a network.
    pub fn insert(&self, record: NetworkRecord) -> NetworkRef {
        let id = record.id.clone();
        let network = Rc::new(RefCell::new(record));
        self.by_id.borrow_mut().insert(id, network.clone());
        network
    }

    /// A network by its exact name.
    pub fn by_name(&self, name: &str) -> Option<NetworkRef> {
        self.by_id
            .borrow()
            .values()
            .find(|n| n.borrow().name == name)
            .cloned()
    }

    /// A network by id, name, or unambiguous beginning of an id.
    pub fn find(&self, reference: &str) -> Result<NetworkRef, ApiError> {
        if let Some(network) = self.by_id.borrow().get(reference) {
            return Ok(network.clone());
        }
        if let Some(network) = self.by_name(reference) {
            return Ok(network);
        }
        let networks = self.by_id.borrow();
        let mut matching = networks
            .values()
            .filter(|n| !reference.is_empty() && n.borrow().id.starts_with(reference));
        match (matching.next(), matching.next()) {
            (Some(network), None) => Ok(network.clone()),
            (Some(_), Some(_)) => Err(ApiError::invalid(format!(
                "network {reference} is ambiguous"
            ))),
            (None, _) => Err(ApiError::not_found(format!(
                "network {reference} not found"
            ))),
        }
    }

    /// Networks that pass the filters, by id.
    pub fn list(
        &self,
        filters: &Filters,
        is_used: impl Fn(&str) -> bool,
    ) -> Result<Vec<NetworkRef>, ApiError> {
        let dangling = filters.bool("dangling")?;
        if let Some(bad) = filters
            .get("type")
            .iter()
            .find(|t| !matches!(t.as_str(), "builtin" | "custom"))
        {
            return Err(ApiError::invalid(format!("invalid filter: 'type'='{bad}'")));
        }
        let passes = |network: &NetworkRecord| {
            let kind = if network.is_predefined() {
                "builtin"
            } else {
                "custom"
            };
            let id_matches = filters.matches_prefix("id", &network.id);
            filters.matches("name", &network.name)
                && id_matches
                && filters.matches_exactly("driver", &network.driver)
                && filters.matches_exactly("scope", "local")
                && filters.matches_exactly("type", kind)
                && dangling.is_none_or(|wanted| {
                    let unused = !network.is_predefined()
                        && network.endpoints.is_empty()
                        && !is_used(&network.name);
                    wanted == unused
                })
                && filters.matches_labels(|key| network.labels.get(key).map(String::as_str))
        };
        Ok(self
            .by_id
            .borrow()
            .values()
            .filter(|n| passes(&n.borrow()))
            .cloned()
            .collect())
    }

    /// Removes a network without containers.
    pub async fn remove(&self, engine: &Engine, reference: &str) -> Result<(), ApiError> {
        let network = self.find(reference)?;
        let record = network.borrow().clone();
        if record.is_predefined() {
            return Err(ApiError::forbidden(format!(
                "{} is a pre-defined network and cannot be removed",
                record.name
            )));
        }
        if !record.endpoints.is_empty() {
            let message = format!(
                "error while removing network: network {} id {} has active endpoints",
                record.name, record.id
            );
            return Err(ApiError::forbidden(message));
        }
        engine.ports().network.delete_network(&record.id).await?;
        engine
            .ports()
            .store
            .commit(vec![Op::Delete {
                bucket: BUCKET,
                key: record.id.clone(),
            }])
            .await?;
        self.by_id.borrow_mut().remove(&record.id);
        engine.events().emit(
            "network",
            "destroy",
            &record.id,
            attributes([("name", record.name), ("type", record.driver)]),
        );
        Ok(())
    }
}

/// The pool of a stored network, with its gateway taken.
fn pool_of(record: &NetworkRecord) -> Option<Pool> {
    let config = record.ipam.config.as_ref()?.first()?;
    let mut pool = Pool::parse(&config.subnet)?;
    if let Ok(gateway) = record.gateway.parse() {
        pool.take(gateway);
    }
    for address in config
        .auxiliary_addresses
        .iter()
        .flatten()
        .filter_map(|(_, a)| a.parse().ok())
    {
        pool.take(address);
    }
    if let Some((address, prefix)) = super::ipam::parse_cidr(&config.ip_range) {
        pool.restrict(address, prefix);
    }
    Some(pool)
}
