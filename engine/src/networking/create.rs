//! `docker network create` and `prune`.

use std::net::Ipv4Addr;

use super::ipam::{Pool, parse_cidr};
use super::store::{NetworkRecord, Networks};
use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::types::{
    Ipam, IpamConfig, NetworkCreateRequest, NetworkCreateResponse, NetworksPruneReport,
};
use crate::engine::Engine;
use crate::events::attributes;

impl Networks {
    /// Makes a network.
    pub async fn create(
        &self,
        engine: &Engine,
        request: NetworkCreateRequest,
    ) -> Result<NetworkCreateResponse, ApiError> {
        if request.name.trim().is_empty() {
            return Err(ApiError::invalid("invalid network name: name is empty"));
        }
        if matches!(
            request.name.as_str(),
            "bridge" | "host" | "none" | "default"
        ) {
            let message = format!(
                "operation is not permitted on predefined {} network ",
                request.name
            );
            return Err(ApiError::forbidden(message));
        }
        if self.by_name(&request.name).is_some() {
            return Err(ApiError::conflict(format!(
                "network with name {} already exists",
                request.name
            )));
        }
        match request.driver.as_str() {
            "" | "bridge" => {}
            driver @ ("host" | "null" | "none") => {
                return Err(ApiError::forbidden(format!(
                    "only one instance of {driver:?} network is allowed"
                )));
            }
            driver @ ("overlay" | "macvlan" | "ipvlan") => {
                let message =
                    format!("network driver {driver:?} is not supported here: use bridge");
                return Err(ApiError::not_implemented(message));
            }
            driver => return Err(ApiError::not_found(format!("plugin {driver:?} not found"))),
        }
        if request.enable_ipv6 == Some(true) {
            return Err(ApiError::not_implemented(
                "IPv6 networks are not supported here",
            ));
        }
        let mut ipam = request.ipam.unwrap_or_default();
        if !matches!(ipam.driver.as_str(), "" | "default") {
            return Err(ApiError::not_found(format!(
                "ipam driver {:?} not found",
                ipam.driver
            )));
        }
        ipam.driver = "default".into();
        let (pool, gateway, config) = self.choose_addresses(engine, &ipam)?;
        ipam.config = Some(vec![config]);
        let record = NetworkRecord {
            id: engine.new_id(),
            name: request.name,
            created: engine.now(),
            driver: "bridge".into(),
            enable_ipv6: false,
            ipam,
            gateway: gateway.to_string(),
            internal: request.internal,
            attachable: request.attachable,
            options: request.options.unwrap_or_default(),
            labels: request.labels.unwrap_or_default(),
            pool: Some(pool),
            ..NetworkRecord::default()
        };
        engine
            .ports()
            .network
            .create_network(&record.spec())
            .await?;
        self.save(engine, &record).await?;
        let id = record.id.clone();
        engine.events().emit(
            "network",
            "create",
            &id,
            attributes([
                ("name", record.name.clone()),
                ("type", record.driver.clone()),
            ]),
        );
        self.insert(record);
        Ok(NetworkCreateResponse {
            id,
            warning: String::new(),
        })
    }

    fn choose_addresses(
        &self,
        engine: &Engine,
        ipam: &Ipam,
    ) -> Result<(Pool, Ipv4Addr, IpamConfig), ApiError> {
        let asked = ipam.config.as_deref().unwrap_or_default();
        if asked.len() > 1 {
            return Err(ApiError::invalid(
                "bridge driver doesn't support multiple subnets",
            ));
        }
        let mut config = asked.first().cloned().unwrap_or_default();
        let mut pool = if config.subnet.is_empty() {
            if !config.gateway.is_empty() || !config.ip_range.is_empty() {
                return Err(ApiError::invalid(
                    "invalid network config:\ninvalid subnet : subnet is required when an address or range is given",
                ));
            }
            self.free_pool(engine)?
        } else {
            let bad = || {
                ApiError::invalid(format!(
                    "invalid network config:\ninvalid subnet {}: invalid CIDR block notation",
                    config.subnet
                ))
            };
            let pool = Pool::parse(&config.subnet).ok_or_else(bad)?;
            if self.overlaps(&pool) {
                return Err(ApiError::forbidden(
                    "Pool overlaps with other one on this address space",
                ));
            }
            pool
        };
        config.subnet = pool.cidr();
        for (name, address) in config.auxiliary_addresses.iter().flatten() {
            let taken = address.parse().is_ok_and(|address| pool.take(address));
            if !taken {
                return Err(ApiError::invalid(format!(
                    "invalid auxiliary address {name}={address} for subnet {}",
                    config.subnet
                )));
            }
        }
        if !config.ip_range.is_empty() {
            let inside = parse_cidr(&config.ip_range)
                .is_some_and(|(address, prefix)| pool.restrict(address, prefix));
            if !inside {
                let message = format!(
                    "invalid network config:\ninvalid ip-range {}: parent subnet is {}",
                    config.ip_range, config.subnet
                );
                return Err(ApiError::invalid(message));
            }
        }
        let gateway = if config.gateway.is_empty() {
            pool.allocate().ok_or_else(|| {
                ApiError::system("no available IPv4 addresses on this network's address pools")
            })?
        } else {
            let gateway = config
                .gateway
                .parse()
                .ok()
                .filter(|gateway| pool.take(*gateway));
            gateway.ok_or_else(|| {
                let message = format!(
                    "invalid network config:\ninvalid gateway {}: parent subnet is {}",
                    config.gateway, config.subnet
                );
                ApiError::invalid(message)
            })?
        };
        config.gateway = gateway.to_string();
        Ok((pool, gateway, config))
    }

    /// Removes networks no container uses.
    pub async fn prune(
        &self,
        engine: &Engine,
        filters: &Filters,
    ) -> Result<NetworksPruneReport, ApiError> {
        let until = crate::api::prune_until(filters, engine.now())?;
        let used = engine.containers().network_names();
        let mut report = NetworksPruneReport::default();
        let candidates = self.list(&Filters::default(), |name| used.contains(name))?;
        let mut names: Vec<String> = candidates
            .iter()
            .map(|network| network.borrow())
            .filter(|n| !n.is_predefined() && n.endpoints.is_empty() && !used.contains(&n.name))
            .filter(|n| until.is_none_or(|until| n.created <= until))
            .filter(|n| filters.matches_labels(|key| n.labels.get(key).map(String::as_str)))
            .map(|n| n.name.clone())
            .collect();
        names.sort();
        for name in names {
            if self.remove(engine, &name).await.is_ok() {
                report.networks_deleted.get_or_insert_default().push(name);
            }
        }
        engine
            .events()
            .emit("network", "prune", "", attributes([("reclaimed", "0")]));
        Ok(report)
    }
}
