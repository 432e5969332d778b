//! `SIOCGIF*`: what `ifconfig` asks.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use bottleship_abi::socket::*;
use bottleship_abi::{Errno, get_u32, get_u64};

use super::addr::Addr;
use super::netlink::broadcast;
use super::netns::{Interface, NetNs};
use crate::syscall::{Cx, SysResult};

/// `struct ifreq`.
const IFREQ: usize = 40;

pub fn ioctl(cx: &Cx, ns: &NetNs, request: u32, arg: u64) -> SysResult {
    if request == SIOCGIFCONF {
        return list(cx, ns, arg);
    }
    if !(0x8910..=0x8970).contains(&request) {
        return Err(Errno::ENOTTY.into());
    }
    let raw: [u8; IFREQ] = cx.read_array(arg)?;
    let name = raw[..16].split(|b| *b == 0).next().unwrap_or_default();
    let interfaces = ns.interfaces();
    let by_number = |i: &&Rc<Interface>| i.index == get_u32(&raw, 16);
    let by_name = |i: &&Rc<Interface>| i.name.as_bytes() == name;
    let found = match request {
        SIOCGIFNAME => interfaces.iter().find(by_number),
        _ => interfaces.iter().find(by_name),
    };
    let interface = found.ok_or(Errno::ENODEV)?;
    let address = || {
        let v4 = interface.addresses.iter().find(|(ip, _)| ip.is_ipv4());
        v4.copied().ok_or(Errno::EADDRNOTAVAIL)
    };
    let inet = |ip: IpAddr| Addr::Inet(SocketAddr::new(ip, 0)).encode(AF_INET);
    let value: Vec<u8> = match request {
        SIOCGIFNAME => {
            let mut name = [0; 16];
            let len = interface.name.len().min(15);
            name[..len].copy_from_slice(&interface.name.as_bytes()[..len]);
            cx.write_mem(arg, &name)?;
            return Ok(0);
        }
        SIOCGIFFLAGS => ((interface.flags() & 0xffff) as u16).to_le_bytes().to_vec(),
        SIOCGIFADDR | SIOCGIFDSTADDR => inet(address()?.0),
        SIOCGIFNETMASK => {
            let bits = u32::MAX
                .checked_shl(32 - u32::from(address()?.1))
                .unwrap_or(0);
            inet(IpAddr::from(bits.to_be_bytes()))
        }
        SIOCGIFBRDADDR => {
            let (ip, prefix) = address()?;
            inet(broadcast(interface, ip, prefix).unwrap_or_default().into())
        }
        SIOCGIFMETRIC => vec![0; 4],
        SIOCGIFMTU => interface.mtu.to_le_bytes().to_vec(),
        SIOCGIFINDEX => interface.index.to_le_bytes().to_vec(),
        SIOCGIFTXQLEN => 1000u32.to_le_bytes().to_vec(),
        SIOCGIFMAP => vec![0; 24],
        SIOCGIFHWADDR => {
            let kind: u16 = if interface.is_loopback() { 772 } else { 1 };
            [&kind.to_le_bytes()[..], &interface.mac, &[0; 8]].concat()
        }
        // Settings are the engine's.
        _ if request.is_multiple_of(2) => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    cx.write_mem(arg + 16, &value)?;
    Ok(0)
}

/// `SIOCGIFCONF`: the interfaces that have an IPv4 address.
fn list(cx: &Cx, ns: &NetNs, arg: u64) -> SysResult {
    let raw: [u8; 16] = cx.read_array(arg)?;
    let (room, at) = (get_u32(&raw, 0) as usize, get_u64(&raw, 8));
    let mut out = Vec::new();
    for interface in ns.interfaces() {
        for (ip, _) in interface.addresses.iter().filter(|(ip, _)| ip.is_ipv4()) {
            let mut entry = interface.name.as_bytes()[..interface.name.len().min(15)].to_vec();
            entry.resize(16, 0);
            entry.extend(Addr::Inet(SocketAddr::new(*ip, 0)).encode(AF_INET));
            entry.resize(IFREQ, 0);
            out.extend(entry);
        }
    }
    if at != 0 {
        out.truncate(room / IFREQ * IFREQ);
        cx.write_mem(at, &out)?;
    }
    cx.write_mem(arg, &(out.len() as u32).to_le_bytes())?;
    Ok(0)
}
