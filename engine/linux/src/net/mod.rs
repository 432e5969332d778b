//! The network: sockets and the namespaces they are in.
//!
//! There are no packets. A connection is two buffers ([`stream`]), made when a route ([`route`]) leads to a listening
//! socket; a datagram is put into the receiver's queue. What Docker does with bridges and iptables is here in terms of
//! namespaces: a [`Bridge`] says who reaches whom, a published port leads from the host's addresses to a container's.

mod addr;
mod dns;
mod host;
mod icmp;
mod ioctl;
mod netlink;
mod netns;
pub(crate) mod options;
mod ports;
mod proc;
mod route;
pub(crate) mod socket;
mod stream;
mod tcp;
mod udp;
mod unix;
mod uplink;

use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::socket::*;
use bottleship_vfs::CapSet;

use crate::kernel::file::OpenFile;
use crate::syscall::Cx;

pub use addr::{Addr, UnixAddr};
pub use dns::{DnsAnswer, DnsHook, DnsQuestion, answer as dns_answer};
pub use host::{HostListener, HostStream};
pub use netns::{Bridge, BridgeConfig, Interface, NetNs, Network};
pub(crate) use proc::proc_file;
pub use route::{Protocol, Published};
pub(crate) use socket::Socket;
pub use uplink::{Answers, HostUdp, Outgoing, Uplink, UplinkPort};

/// `socket(2)`.
pub fn socket(cx: &Cx, family: u32, kind: u32, protocol: u32) -> Result<Rc<OpenFile>, Errno> {
    let ns = cx.t.ns().net.clone();
    let flags = kind & !SOCK_TYPE_MASK;
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let kind = kind & SOCK_TYPE_MASK;
    let icmp = if family == AF_INET6 {
        IPPROTO_ICMPV6
    } else {
        IPPROTO_ICMP
    };
    let (protocol, inner): (u32, Rc<dyn socket::Protocol>) = match (family, kind) {
        (AF_UNIX, SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET | SOCK_RAW) => {
            if protocol > 1 {
                return Err(Errno::EPROTONOSUPPORT);
            }
            let kind = if kind == SOCK_RAW { SOCK_DGRAM } else { kind };
            (0, unix::Unix::new(&ns, kind))
        }
        (AF_INET | AF_INET6, SOCK_STREAM) => match protocol {
            0 | IPPROTO_TCP => (IPPROTO_TCP, tcp::Tcp::new(&ns, family == AF_INET6)),
            _ => return Err(Errno::EPROTONOSUPPORT),
        },
        (AF_INET | AF_INET6, SOCK_DGRAM) => match protocol {
            0 | IPPROTO_UDP => (IPPROTO_UDP, udp::Udp::new(&ns, family == AF_INET6)),
            _ if protocol == icmp => (icmp, icmp::Icmp::new(&ns, family == AF_INET6, false)),
            _ => return Err(Errno::EPROTONOSUPPORT),
        },
        (AF_INET | AF_INET6, SOCK_RAW) => {
            cx.need(CapSet::NET_RAW)?;
            if protocol != icmp {
                return Err(Errno::EPROTONOSUPPORT);
            }
            (icmp, icmp::Icmp::new(&ns, family == AF_INET6, true))
        }
        (AF_NETLINK, SOCK_RAW | SOCK_DGRAM) => match protocol {
            netlink::NETLINK_ROUTE => (protocol, netlink::Netlink::new(&ns)),
            _ => return Err(Errno::EPROTONOSUPPORT),
        },
        (AF_UNIX | AF_INET | AF_INET6 | AF_NETLINK, _) => return Err(Errno::ESOCKTNOSUPPORT),
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    Ok(Socket::new(cx, &ns, family, kind, protocol, inner).open(flags))
}

/// `socketpair(2)`.
pub fn socketpair(
    cx: &Cx,
    family: u32,
    kind: u32,
    protocol: u32,
) -> Result<[Rc<OpenFile>; 2], Errno> {
    let ns = cx.t.ns().net.clone();
    let flags = kind & !SOCK_TYPE_MASK;
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let kind = match kind & SOCK_TYPE_MASK {
        SOCK_RAW => SOCK_DGRAM,
        kind => kind,
    };
    match family {
        AF_UNIX if protocol > 1 => Err(Errno::EPROTONOSUPPORT),
        AF_UNIX if matches!(kind, SOCK_STREAM | SOCK_DGRAM | SOCK_SEQPACKET) => {
            let pair = unix::pair(cx, &ns, kind);
            Ok(pair.map(|end| Socket::new(cx, &ns, AF_UNIX, kind, 0, end).open(flags)))
        }
        AF_UNIX => Err(Errno::ESOCKTNOSUPPORT),
        AF_INET | AF_INET6 | AF_NETLINK => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}
