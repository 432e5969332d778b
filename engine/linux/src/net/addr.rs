//! Socket addresses, as they are in guest memory and in here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bottleship_abi::socket::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC};
use bottleship_abi::{Errno, get_u16, get_u32};

/// The longest address (`struct sockaddr_storage`).
pub const ADDR_MAX: usize = 128;

/// An address of any family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addr {
    /// `AF_UNSPEC`: takes a connection off a datagram socket.
    Unspec,
    /// A UNIX socket's.
    Unix(UnixAddr),
    /// IPv4 or IPv6; an IPv4 address in IPv6 clothes is the IPv4 one.
    Inet(SocketAddr),
    /// A netlink socket's port and groups.
    Netlink(u32, u32),
}

/// A UNIX socket's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnixAddr {
    /// Not bound.
    #[default]
    Unnamed,
    /// In the file system.
    Path(Vec<u8>),
    /// In the network namespace.
    Abstract(Vec<u8>),
}

impl Addr {
    /// From guest memory.
    pub fn parse(bytes: &[u8]) -> Result<Addr, Errno> {
        if bytes.len() < 2 || bytes.len() > ADDR_MAX {
            return Err(Errno::EINVAL);
        }
        let port = || u16::from_be_bytes([bytes[2], bytes[3]]);
        match u32::from(get_u16(bytes, 0)) {
            AF_UNSPEC => Ok(Addr::Unspec),
            AF_UNIX => {
                let path = bytes.get(2..).unwrap_or_default();
                let path = &path[..path.len().min(108)];
                Ok(Addr::Unix(match path {
                    [] => UnixAddr::Unnamed,
                    [0, name @ ..] => UnixAddr::Abstract(name.to_vec()),
                    path => {
                        UnixAddr::Path(path.split(|b| *b == 0).next().unwrap_or_default().to_vec())
                    }
                }))
            }
            AF_INET if bytes.len() >= 16 => {
                let ip = Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]);
                Ok(Addr::Inet(SocketAddr::new(ip.into(), port())))
            }
            AF_INET6 if bytes.len() >= 24 => {
                let mut ip = [0; 16];
                ip.copy_from_slice(&bytes[8..24]);
                let ip = IpAddr::V6(Ipv6Addr::from(ip)).to_canonical();
                Ok(Addr::Inet(SocketAddr::new(ip, port())))
            }
            AF_NETLINK if bytes.len() >= 12 => {
                Ok(Addr::Netlink(get_u32(bytes, 4), get_u32(bytes, 8)))
            }
            AF_INET | AF_INET6 | AF_NETLINK => Err(Errno::EINVAL),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// For guest memory, as a socket of `family` sees it.
    pub fn encode(&self, family: u32) -> Vec<u8> {
        let head = |family: u32| (family as u16).to_le_bytes().to_vec();
        match self {
            Addr::Unspec => head(AF_UNSPEC),
            Addr::Unix(UnixAddr::Unnamed) => head(AF_UNIX),
            Addr::Unix(UnixAddr::Path(path)) => [&head(AF_UNIX)[..], path, &[0]].concat(),
            Addr::Unix(UnixAddr::Abstract(name)) => [&head(AF_UNIX)[..], &[0], name].concat(),
            Addr::Netlink(port, groups) => {
                let mut bytes = head(AF_NETLINK);
                bytes.extend([0, 0]);
                bytes.extend(port.to_le_bytes());
                bytes.extend(groups.to_le_bytes());
                bytes
            }
            Addr::Inet(addr) => {
                let port = addr.port().to_be_bytes();
                let ip = match (addr.ip(), family) {
                    (IpAddr::V4(ip), AF_INET) => {
                        return [&head(AF_INET)[..], &port, &ip.octets(), &[0; 8]].concat();
                    }
                    (IpAddr::V4(ip), _) if ip.is_unspecified() => Ipv6Addr::UNSPECIFIED,
                    (IpAddr::V4(ip), _) => ip.to_ipv6_mapped(),
                    (IpAddr::V6(ip), _) => ip,
                };
                [&head(AF_INET6)[..], &port, &[0; 4], &ip.octets(), &[0; 4]].concat()
            }
        }
    }
}
