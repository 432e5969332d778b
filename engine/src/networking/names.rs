//! What the embedded DNS server knows: containers on the same user-defined networks, by name, alias and link, and their
//! names by address.

use std::net::IpAddr;
use std::rc::Rc;

use crate::container::{Container, links};
use crate::engine::Engine;
use crate::network::{Answer, Question, Resolver};

/// Answers a container's questions.
pub fn resolver(engine: &Engine, container: &Container) -> Resolver {
    let (engine, id) = (engine.downgrade(), container.id());
    Rc::new(move |question: Question| {
        let engine = engine.upgrade()?;
        let asking = engine.containers().find(&id).ok()?;
        let networks = user_defined(&engine, &asking);
        match question {
            Question::Addresses(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let addresses: Vec<IpAddr> = networks
                    .iter()
                    .flat_map(|network| addresses(&engine, &asking, network, &name))
                    .collect();
                (!addresses.is_empty()).then_some(Answer::Addresses(addresses))
            }
            Question::Names(address) => {
                let names: Vec<String> = networks
                    .iter()
                    .filter_map(|network| name_of(&engine, network, address))
                    .collect();
                (!names.is_empty()).then_some(Answer::Names(names))
            }
        }
    })
}

fn user_defined(engine: &Engine, container: &Container) -> Vec<String> {
    let mut names: Vec<String> = container.record().networks.keys().cloned().collect();
    names.retain(|name| {
        let network = engine.networks().find(name);
        network.is_ok_and(|network| network.borrow().is_user_defined())
    });
    names
}

/// The containers on a network.
fn members(engine: &Engine, network: &str) -> Vec<Container> {
    let Ok(found) = engine.networks().find(network) else {
        return Vec::new();
    };
    let ids: Vec<String> = found.borrow().endpoints.keys().cloned().collect();
    ids.iter()
        .filter_map(|id| engine.containers().find(id).ok())
        .collect()
}

fn address_on(container: &Container, network: &str) -> Option<IpAddr> {
    container
        .record()
        .networks
        .get(network)?
        .ip_address
        .parse()
        .ok()
}

fn addresses(engine: &Engine, asking: &Container, network: &str, name: &str) -> Vec<IpAddr> {
    let name = name
        .strip_suffix(&format!(".{}", network.to_ascii_lowercase()))
        .unwrap_or(name);
    // A link is a name that only the one who made it knows.
    let linked = asking.record().networks.get(network).and_then(|settings| {
        let mut links = settings
            .links
            .iter()
            .flatten()
            .map(|link| links::parse(link));
        let (target, _) = links.find(|(_, alias)| alias.eq_ignore_ascii_case(name))?;
        engine.containers().find(target).ok()
    });
    if let Some(address) = linked.and_then(|linked| address_on(&linked, network)) {
        return vec![address];
    }
    let answers = |member: &Container| {
        let record = member.record();
        let names = record.networks.get(network).map(|s| &s.dns_names);
        let mut names = names.into_iter().flatten().flatten();
        names.any(|known| known.eq_ignore_ascii_case(name))
    };
    members(engine, network)
        .iter()
        .filter(|member| answers(member))
        .filter_map(|member| address_on(member, network))
        .collect()
}

fn name_of(engine: &Engine, network: &str, address: IpAddr) -> Option<String> {
    let members = members(engine, network);
    let member = members
        .iter()
        .find(|member| address_on(member, network) == Some(address))?;
    Some(format!("{}.{network}", member.name()))
}
