//! The texts of `/proc/net`.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use bottleship_abi::socket::SOCK_STREAM;

use super::addr::UnixAddr;
use super::netlink::network;
use super::netns::{NetNs, contains};

/// A file of `/proc/PID/net`.
pub(crate) fn proc_file(ns: &NetNs, name: &str) -> String {
    match name {
        "dev" => dev(ns),
        "if_inet6" => if_inet6(ns),
        "route" => route(ns),
        "tcp" => tcp(ns, false),
        "tcp6" => tcp(ns, true),
        "udp" => udp(ns, false),
        "udp6" => udp(ns, true),
        "unix" => unix(ns),
        _ => String::new(),
    }
}

fn if_inet6(ns: &NetNs) -> String {
    let mut text = String::new();
    for interface in ns.interfaces() {
        for (ip, prefix) in &interface.addresses {
            if let IpAddr::V6(ip) = ip {
                let scope = if ip.is_loopback() { 0x10 } else { 0 };
                let (index, name) = (interface.index, &interface.name);
                let _ = writeln!(
                    text,
                    "{:032x} {index:02x} {prefix:02x} {scope:02x} 80 {name:>8}",
                    ip.to_bits()
                );
            }
        }
    }
    text
}

/// `/proc/net/dev`.
fn dev(ns: &NetNs) -> String {
    let mut text = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
    );
    for interface in ns.interfaces() {
        let [rx_bytes, rx_packets, tx_bytes, tx_packets] = interface.traffic();
        let _ = writeln!(
            text,
            "{:>6}: {rx_bytes:7} {rx_packets:7} {:4} {:4} {:4} {:5} {:10} {:9} {tx_bytes:8} {tx_packets:7} {:4} {:4} {:4} {:5} {:7} {:10}",
            interface.name, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        );
    }
    text
}

/// `/proc/net/route`.
fn route(ns: &NetNs) -> String {
    let mut text = format!(
        "{:<127}\n",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    );
    let hex = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => format!("{:08X}", u32::from_le_bytes(ip.octets())),
        IpAddr::V6(_) => String::new(),
    };
    let zero = IpAddr::from([0; 4]);
    let mut line = |name: &str, to: IpAddr, gateway: IpAddr, flags: u32, mask: u32| {
        let mask = IpAddr::from(mask.to_be_bytes());
        let fields = format!(
            "{name}\t{}\t{}\t{flags:04X}\t0\t0\t0\t{}\t0\t0\t0",
            hex(to),
            hex(gateway),
            hex(mask)
        );
        let _ = writeln!(text, "{fields:<127}");
    };
    let interfaces = ns.interfaces();
    for gateway in ns.0.gateway.borrow().iter().filter(|g| g.is_ipv4()) {
        for interface in &interfaces {
            if interface
                .addresses
                .iter()
                .any(|(own, len)| contains(*own, *len, *gateway))
            {
                line(&interface.name, zero, *gateway, 3, 0);
            }
        }
    }
    for interface in interfaces.iter().filter(|i| !i.is_loopback()) {
        for (ip, prefix) in interface.addresses.iter().filter(|(ip, _)| ip.is_ipv4()) {
            let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
            line(&interface.name, network(*ip, *prefix), zero, 1, mask);
        }
    }
    text
}

/// An address as these files write it: words in the machine's order.
fn hex(addr: SocketAddr) -> String {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => format!("{:08X}", u32::from_le_bytes(ip.octets())),
        IpAddr::V6(ip) => ip
            .octets()
            .chunks_exact(4)
            .map(|c| format!("{:08X}", u32::from_le_bytes([c[0], c[1], c[2], c[3]])))
            .collect(),
    };
    format!("{ip}:{:04X}", addr.port())
}

fn any(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    }
}

/// `/proc/net/tcp`, and with `v6` `/proc/net/tcp6`.
fn tcp(ns: &NetNs, v6: bool) -> String {
    let mut text = format!(
        "{:<149}\n",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    );
    let mut listening = ns.0.tcp.all();
    listening.retain(|s| s.proc_state().0 == 10);
    let connected = ns.0.established.borrow();
    let connected = connected.iter().filter_map(|s| s.upgrade());
    let shown = |s: &std::rc::Rc<super::tcp::TcpState>| s.local().is_ipv6() == v6;
    let all = listening.into_iter().chain(connected).filter(shown);
    for (n, socket) in all.enumerate() {
        let (state, tx, rx) = socket.proc_state();
        let peer = socket.peer().unwrap_or(any(socket.local()));
        let line = format!(
            "{n:4}: {} {} {state:02X} {tx:08X}:{rx:08X} 00:00000000 00000000     0        0 0 1 0000000000000000 100 0 0 10 0",
            hex(socket.local()),
            hex(peer),
        );
        let _ = writeln!(text, "{line:<149}");
    }
    text
}

/// `/proc/net/udp`, and with `v6` `/proc/net/udp6`.
fn udp(ns: &NetNs, v6: bool) -> String {
    let mut text = format!(
        "{:<127}\n",
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops"
    );
    for (n, socket) in
        ns.0.udp
            .all()
            .iter()
            .filter(|s| s.local().is_ipv6() == v6)
            .enumerate()
    {
        let state = if socket.peer().is_some() { 1 } else { 7 };
        let peer = socket.peer().unwrap_or(any(socket.local()));
        let line = format!(
            "{n:5}: {} {} {state:02X} {:08X}:{:08X} 00:00000000 00000000     0        0 0 2 0000000000000000 0",
            hex(socket.local()),
            hex(peer),
            0,
            socket.queued(),
        );
        let _ = writeln!(text, "{line:<127}");
    }
    text
}

/// `/proc/net/unix`.
fn unix(ns: &NetNs) -> String {
    let mut text = String::from("Num       RefCount Protocol Flags    Type St Inode Path\n");
    for socket in
        ns.0.unix_sockets
            .borrow()
            .iter()
            .filter_map(|s| s.upgrade())
    {
        let (kind, listening, state, name) = socket.proc_line();
        let flags = if listening { 0x10000 } else { 0 };
        let name = match name {
            UnixAddr::Unnamed => String::new(),
            UnixAddr::Path(path) => format!(" {}", String::from_utf8_lossy(&path)),
            UnixAddr::Abstract(name) => {
                format!(" @{}", String::from_utf8_lossy(&name).replace('\0', "@"))
            }
        };
        let state = if kind == SOCK_STREAM || state != 1 {
            state
        } else {
            1
        };
        let _ = writeln!(
            text,
            "0000000000000000: {:08X} {:08X} {flags:08X} {kind:04X} {state:02X} 0{name}",
            2, 0,
        );
    }
    text
}
