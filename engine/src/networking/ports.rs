//! Ports of the host given to containers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::api::ApiError;
use crate::network::Protocol;

/// Where Docker looks for a free port when none is asked for.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32768..=60999;

/// The ports in use.
#[derive(Default)]
pub struct PortAllocator {
    taken: RefCell<BTreeMap<(Protocol, u16), Vec<IpAddr>>>,
}

/// Go's `net.JoinHostPort`.
fn join(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

impl PortAllocator {
    /// Takes a port on an address, or any of a range.
    pub fn allocate(
        &self,
        ip: IpAddr,
        protocol: Protocol,
        first: u16,
        last: u16,
    ) -> Result<u16, ApiError> {
        let range = if first == 0 {
            EPHEMERAL
        } else {
            first..=last.max(first)
        };
        let wanted = range.clone();
        match range
            .into_iter()
            .find(|&port| self.take(ip, protocol, port))
        {
            Some(port) => Ok(port),
            None if wanted.start() == wanted.end() => Err(ApiError::system(format!(
                "Bind for {} failed: port is already allocated",
                join(ip, first)
            ))),
            None => Err(ApiError::system("all ports are allocated")),
        }
    }

    /// Takes a port if it is free.
    pub fn take(&self, ip: IpAddr, protocol: Protocol, port: u16) -> bool {
        let mut taken = self.taken.borrow_mut();
        let users = taken.entry((protocol, port)).or_default();
        let clash = |used: &IpAddr| {
            used.is_ipv4() == ip.is_ipv4()
                && (*used == ip || used.is_unspecified() || ip.is_unspecified())
        };
        if users.iter().any(clash) {
            return false;
        }
        users.push(ip);
        true
    }

    /// Gives a port back.
    pub fn release(&self, ip: IpAddr, protocol: Protocol, port: u16) {
        let mut taken = self.taken.borrow_mut();
        if let Some(users) = taken.get_mut(&(protocol, port)) {
            users.retain(|used| *used != ip);
            if users.is_empty() {
                taken.remove(&(protocol, port));
            }
        }
    }
}

/// `8080`, `8000-8010`, or "" for any.
pub fn parse_range(text: &str) -> Option<(u16, u16)> {
    if text.is_empty() {
        return Some((0, 0));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

/// `80/tcp` → port and protocol.
pub fn parse_port(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((port.parse().ok()?, Protocol::parse(protocol)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_port_is_given_once_per_address() {
        let ports = PortAllocator::default();
        let (any, local) = (
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        );
        assert_eq!(ports.allocate(any, Protocol::Tcp, 80, 80), Ok(80));
        let refused = ports
            .allocate(local, Protocol::Tcp, 80, 80)
            .map_err(|e| e.message);
        assert_eq!(
            refused,
            Err("Bind for 127.0.0.1:80 failed: port is already allocated".into())
        );
        assert_eq!(ports.allocate(any, Protocol::Udp, 80, 80), Ok(80));
        ports.release(any, Protocol::Tcp, 80);
        assert_eq!(ports.allocate(local, Protocol::Tcp, 80, 80), Ok(80));
    }

    #[test]
    fn a_free_port_is_found_when_none_is_asked_for() {
        let ports = PortAllocator::default();
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        assert_eq!(ports.allocate(any, Protocol::Tcp, 0, 0), Ok(32768));
        assert_eq!(ports.allocate(any, Protocol::Tcp, 0, 0), Ok(32769));
        assert_eq!(ports.allocate(any, Protocol::Tcp, 8000, 8001), Ok(8000));
        assert_eq!(ports.allocate(any, Protocol::Tcp, 8000, 8001), Ok(8001));
        assert!(ports.allocate(any, Protocol::Tcp, 8000, 8001).is_err());
    }
}
