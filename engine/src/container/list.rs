//! `docker ps`.

use super::inspect::sizes;
use super::store::Container;
use crate::api::ApiError;
use crate::api::filters::Filters;
use crate::api::query::Query;
use crate::api::types::{
    ContainerSummary, Port, PortMap, SummaryHostConfig, SummaryNetworkSettings, Timestamp,
};
use crate::engine::Engine;
use crate::image_source::ImageSource;
use crate::networking::parse_port;

const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "isolation",
    "is-task",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// The containers a list asks for, newest first.
pub async fn list(engine: &Engine, query: &Query) -> Result<Vec<ContainerSummary>, ApiError> {
    let filters = Filters::from_query(query, FILTERS)?;
    let selection = Selection::new(engine, filters, query).await?;
    let limit = query
        .int("limit")?
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| *n > 0)
        .unwrap_or(usize::MAX);
    let mut rows = Vec::new();
    for container in engine
        .containers()
        .all()
        .into_iter()
        .filter(|c| selection.includes(c))
        .take(limit)
    {
        let mut row = summary(engine, &container);
        row.image = image_column(engine, &container).await;
        if query.bool("size") {
            (row.size_rw, row.size_root_fs) = sizes(engine, &container).await?;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The image as it was named, or its id when that name means another image now.
async fn image_column(engine: &Engine, container: &Container) -> String {
    let (name, id) = {
        let record = container.record();
        (record.config.image.clone(), record.image_id.clone())
    };
    match engine.images().resolve(&name).await {
        Ok(image) if image.id == id => name,
        _ if id.is_empty() => name,
        _ => id,
    }
}

/// One row.
pub fn summary(engine: &Engine, container: &Container) -> ContainerSummary {
    let record = container.record();
    ContainerSummary {
        id: record.id.clone(),
        names: vec![format!("/{}", record.name)],
        image: record.config.image.clone(),
        image_id: record.image_id.clone(),
        command: record.command(),
        created: record.created.seconds(),
        ports: ports(&record.ports),
        labels: record.config.labels.clone().unwrap_or_default(),
        state: record.state.status().into(),
        status: record.state.describe(engine.now()),
        host_config: SummaryHostConfig {
            network_mode: record.host_config.network_mode.clone(),
            annotations: record.host_config.annotations.clone(),
        },
        network_settings: SummaryNetworkSettings {
            networks: record.networks.clone(),
        },
        mounts: record.mounts.clone(),
        ..ContainerSummary::default()
    }
}

fn ports(published: &PortMap) -> Vec<Port> {
    let mut ports = Vec::new();
    for (name, bindings) in published {
        let Some((private_port, protocol)) = parse_port(name) else {
            continue;
        };
        let port = Port {
            private_port,
            r#type: protocol.name().into(),
            ..Port::default()
        };
        match bindings.as_deref() {
            None | Some([]) => ports.push(port),
            Some(bindings) => ports.extend(bindings.iter().map(|binding| Port {
                ip: binding.host_ip.clone(),
                public_port: binding.host_port.parse().unwrap_or(0),
                ..port.clone()
            })),
        }
    }
    ports
}

/// `PORT[-PORT][/PROTOCOL]` of a filter.
struct PortRange {
    first: u16,
    last: u16,
    protocol: String,
}

impl PortRange {
    /// Whether `PORT/PROTOCOL` is within.
    fn has(&self, port: &str) -> bool {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let within = |n: u16| self.first <= n && n <= self.last;
        protocol == self.protocol && number.parse().is_ok_and(within)
    }
}

/// The ports that a filter names (moby daemon/list.go portOp).
fn port_ranges(filters: &Filters, name: &str) -> Result<Vec<PortRange>, ApiError> {
    let read = |text: &String| {
        if text.contains(':') {
            return Err(ApiError::invalid(format!(
                "filter for '{name}' should not contain ':': {text}"
            )));
        }
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let number = |text: &str| {
            text.parse::<u16>().map_err(|e| {
                let why = match e.kind() {
                    std::num::IntErrorKind::PosOverflow => "value out of range",
                    _ => "invalid syntax",
                };
                format!("strconv.ParseUint: parsing {text:?}: {why}")
            })
        };
        let range = match ports {
            "" => Err("empty string specified for ports".to_owned()),
            _ => number(first).and_then(|first| Ok((first, number(last)?))),
        };
        let range = range.and_then(|(first, last)| {
            if last < first {
                return Err(format!("invalid range specified for port: {ports}"));
            }
            Ok(PortRange {
                first,
                last,
                protocol: protocol.to_owned(),
            })
        });
        range.map_err(|why| {
            ApiError::invalid(format!("error while looking up for {name} {text}: {why}"))
        })
    };
    filters.get(name).iter().map(read).collect()
}

/// What a list includes.
struct Selection {
    filters: Filters,
    /// Nothing at all.
    none: bool,
    all: bool,
    published: Vec<PortRange>,
    exposed: Vec<PortRange>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    exited: Vec<i64>,
    ancestors: Option<Vec<String>>,
    networks: Vec<String>,
}

impl Selection {
    async fn new(engine: &Engine, filters: Filters, query: &Query) -> Result<Self, ApiError> {
        let created = |name: &str| -> Result<Option<Timestamp>, ApiError> {
            let found = filters.get(name).first().map(|reference| {
                let missing = |_| ApiError::not_found(format!("no such container {reference}"));
                engine.containers().find(reference).map_err(missing)
            });
            Ok(found
                .transpose()?
                .map(|container| container.record().created))
        };
        let (before, since) = (created("before")?, created("since")?);
        for status in filters.get("status") {
            if ![
                "created",
                "running",
                "paused",
                "restarting",
                "removing",
                "exited",
                "dead",
            ]
            .contains(&status.as_str())
            {
                return Err(ApiError::invalid(format!(
                    "invalid filter 'status={status}'"
                )));
            }
        }
        for health in filters.get("health") {
            if !["none", "starting", "healthy", "unhealthy"].contains(&health.as_str()) {
                return Err(ApiError::invalid(format!(
                    "Unrecognised filter value for health: {health}"
                )));
            }
        }
        let exited = filters.get("exited").iter().map(|code| {
            code.parse().map_err(|_| {
                ApiError::invalid(format!("strconv.Atoi: parsing {code:?}: invalid syntax"))
            })
        });
        let exited = exited.collect::<Result<Vec<i64>, _>>()?;
        let published = port_ranges(&filters, "publish")?;
        let exposed = port_ranges(&filters, "expose")?;
        // No container is a swarm's task.
        let task = filters.bool("is-task")? == Some(true);
        let mut ancestors = None;
        if filters.has("ancestor") {
            let mut ids = Vec::new();
            for reference in filters.get("ancestor") {
                if let Ok(image) = engine.images().resolve(reference).await {
                    ids.push(image.id);
                }
            }
            ancestors = Some(ids);
        }
        let networks = filters.get("network").iter().map(|reference| {
            let found = engine.networks().find(reference);
            found.map_or_else(
                |_| reference.clone(),
                |network| network.borrow().name.clone(),
            )
        });
        let networks = networks.collect();
        // A limit, or a filter that asks for containers that do not run, includes those.
        let all = query.bool("all")
            || query.int_or_zero("limit") > 0
            || filters.has("status")
            || !exited.is_empty()
            || before.is_some()
            || since.is_some();
        Ok(Selection {
            none: task,
            published,
            exposed,
            all,
            before,
            since,
            exited,
            ancestors,
            networks,
            filters,
        })
    }

    fn includes(&self, container: &Container) -> bool {
        let record = container.record();
        let state = &record.state;
        let filters = &self.filters;
        let health = state
            .health
            .as_ref()
            .map_or("none", |health| health.status.as_str());
        let volume = |wanted: &String| {
            record
                .mounts
                .iter()
                .any(|m| m.name == *wanted || m.destination == *wanted || m.source == *wanted)
        };
        let volumes = filters.get("volume");
        let exposed = |wanted: &PortRange| {
            let mut ports = record.config.exposed_ports.iter().flatten();
            ports.any(|(port, _)| wanted.has(port))
        };
        let published = |wanted: &PortRange| {
            record.ports.iter().any(|(port, bindings)| {
                let protocol = port.split_once('/').map_or("tcp", |(_, protocol)| protocol);
                let mut bindings = bindings.iter().flatten();
                bindings.any(|b| wanted.has(&format!("{}/{protocol}", b.host_port)))
            })
        };
        !self.none
            && (self.all || state.running)
            && self.before.is_none_or(|before| record.created < before)
            && self.since.is_none_or(|since| record.created > since)
            && (filters.matches("name", &record.name)
                || filters.matches("name", &format!("/{}", record.name)))
            && filters.matches_prefix("id", &record.id)
            && filters.matches_exactly("status", state.status())
            && filters.matches_exactly("health", health)
            && (self.exited.is_empty()
                || (self.exited.contains(&state.exit_code)
                    && !state.running
                    && !state.started_at.is_zero()))
            && self
                .ancestors
                .as_ref()
                .is_none_or(|ids| ids.contains(&record.image_id))
            && (self.networks.is_empty()
                || self
                    .networks
                    .iter()
                    .any(|name| record.networks.contains_key(name)))
            && (volumes.is_empty() || volumes.iter().any(volume))
            && (self.exposed.is_empty() || self.exposed.iter().any(exposed))
            && (self.published.is_empty() || self.published.iter().any(published))
            && filters
                .matches_labels(|key| record.config.labels.as_ref()?.get(key).map(String::as_str))
    }
}
