//! `getsockopt(2)` and `setsockopt(2)`.

use bottleship_abi::socket::*;
use bottleship_abi::time::{ns_to_timeval, timeval_to_ns};
use bottleship_abi::{Errno, Layout, get_u32};
use bottleship_vfs::CapSet;

use super::socket::Socket;
use crate::syscall::Cx;

/// The default size of the buffers, as `SO_SNDBUF` and `SO_RCVBUF` tell it.
const BUFFER: u32 = 212_992;
/// The largest that may be asked for (`net.core.wmem_max`).
const BUFFER_MAX: u32 = 212_992;

/// The value of an option.
pub fn get(cx: &Cx, socket: &Socket, level: u32, option: u32) -> Result<Vec<u8>, Errno> {
    let options = &socket.options;
    let reuse = socket.inner.reuse();
    let inet = matches!(socket.family, AF_INET | AF_INET6);
    let number = match (level, option) {
        (SOL_SOCKET, SO_TYPE) => socket.kind,
        (SOL_SOCKET, SO_PROTOCOL) => socket.protocol,
        (SOL_SOCKET, SO_DOMAIN) => socket.family,
        (SOL_SOCKET, SO_ERROR) => socket.inner.take_error().map_or(0, |e| e.0 as u32),
        (SOL_SOCKET, SO_ACCEPTCONN) => socket.inner.is_listening().into(),
        (SOL_SOCKET, SO_REUSEADDR) => reuse.is_some_and(|r| r.addr.get()).into(),
        (SOL_SOCKET, SO_REUSEPORT) => reuse.is_some_and(|r| r.port.get()).into(),
        (SOL_SOCKET, SO_KEEPALIVE) => options.keepalive.get().into(),
        (SOL_SOCKET, SO_BROADCAST) => options.broadcast.get().into(),
        (SOL_SOCKET, SO_OOBINLINE) => options.oob_inline.get().into(),
        (SOL_SOCKET, SO_PASSCRED) => socket.inner.pass_creds().into(),
        (SOL_SOCKET, SO_PRIORITY) => options.priority.get(),
        (SOL_SOCKET, SO_MARK) => options.mark.get(),
        (SOL_SOCKET, SO_RCVLOWAT) => options.low_water.get().max(1),
        (SOL_SOCKET, SO_DEBUG | SO_DONTROUTE | SO_TIMESTAMP) => 0,
        (SOL_SOCKET, SO_SNDBUF) => options.send_buffer.get().unwrap_or(BUFFER),
        (SOL_SOCKET, SO_RCVBUF) => options.receive_buffer.get().unwrap_or(BUFFER),
        (SOL_SOCKET, SO_LINGER) => {
            let (on, seconds) = options.linger.get();
            return Ok([on.to_le_bytes(), seconds.to_le_bytes()].concat());
        }
        (SOL_SOCKET, SO_RCVTIMEO) => {
            return Ok(ns_to_timeval(options.receive_timeout.get().unwrap_or(0)).to_vec());
        }
        (SOL_SOCKET, SO_SNDTIMEO) => {
            return Ok(ns_to_timeval(options.send_timeout.get().unwrap_or(0)).to_vec());
        }
        (SOL_SOCKET, SO_PEERCRED) => {
            let creds = socket.inner.peer_creds();
            let (pid, uid, gid) = match creds {
                Some(creds) => {
                    // The number that the caller's namespace has for the process, 0 if it has none.
                    let process = cx.k.host_ns().pid.process(creds.pid);
                    let pid = process.map_or(0, |p| p.pid_in(cx.t.pid_ns()));
                    (pid, creds.uid, creds.gid)
                }
                None => (0, u32::MAX, u32::MAX),
            };
            return Ok([pid.to_le_bytes(), uid.to_le_bytes(), gid.to_le_bytes()].concat());
        }
        (SOL_SOCKET, SO_BINDTODEVICE) => return Ok(Vec::new()),
        (IPPROTO_TCP, TCP_NODELAY) if socket.protocol == IPPROTO_TCP => {
            options.no_delay.get().into()
        }
        (IPPROTO_TCP, TCP_MAXSEG) if socket.protocol == IPPROTO_TCP => 1460,
        (IPPROTO_TCP, TCP_INFO) if socket.protocol == IPPROTO_TCP => {
            let connected = socket.inner.peer().is_ok();
            let state = match (connected, socket.inner.is_listening()) {
                (true, _) => 1,
                (_, true) => 10,
                _ => 7,
            };
            let mut info: [u8; 104] = Layout::new().u32(16, 1460).u32(20, 1460).done();
            info[0] = state;
            return Ok(info.to_vec());
        }
        // Keep-alive times, user timeout, defer accept and so on read as Linux's defaults do.
        (IPPROTO_TCP, 4) => 7200,
        (IPPROTO_TCP, 5) => 75,
        (IPPROTO_TCP, 6) => 9,
        (IPPROTO_TCP, 3 | 7..=10 | 12 | 18 | 23..=30) if socket.protocol == IPPROTO_TCP => 0,
        (SOL_IP, IP_TTL) if inet => options.ttl.get().unwrap_or(64),
        (SOL_IP, IP_RECVTTL) if inet => options.receive_ttl.get().into(),
        (SOL_IP, 1..=50) if inet => 0,
        (IPPROTO_IPV6, IPV6_V6ONLY) if socket.family == AF_INET6 => {
            reuse.is_some_and(|r| r.v6_only.get()).into()
        }
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) if socket.family == AF_INET6 => {
            options.ttl.get().unwrap_or(64)
        }
        (IPPROTO_IPV6, 1..=80) if socket.family == AF_INET6 => 0,
        (SOL_NETLINK, _) if socket.family == AF_NETLINK => 0,
        _ => return Err(Errno::ENOPROTOOPT),
    };
    Ok(number.to_le_bytes().to_vec())
}

/// Sets an option.
pub fn set(cx: &Cx, socket: &Socket, level: u32, option: u32, value: &[u8]) -> Result<(), Errno> {
    let options = &socket.options;
    let inet = matches!(socket.family, AF_INET | AF_INET6);
    let number = || match value.len() {
        0..=3 => Err(Errno::EINVAL),
        _ => Ok(get_u32(value, 0)),
    };
    let flag = || Ok::<bool, Errno>(number()? != 0);
    let doubled = |number: u32| number.clamp(1024, BUFFER_MAX) * 2;
    let reuse = socket.inner.reuse();
    match (level, option) {
        (SOL_SOCKET, SO_REUSEADDR) => {
            let on = flag()?;
            if let Some(reuse) = reuse {
                reuse.addr.set(on);
            }
        }
        (SOL_SOCKET, SO_REUSEPORT) => match reuse {
            Some(reuse) => reuse.port.set(flag()?),
            None => return Err(Errno::EOPNOTSUPP),
        },
        (SOL_SOCKET, SO_KEEPALIVE) => options.keepalive.set(flag()?),
        (SOL_SOCKET, SO_BROADCAST) => options.broadcast.set(flag()?),
        (SOL_SOCKET, SO_OOBINLINE) => options.oob_inline.set(flag()?),
        (SOL_SOCKET, SO_PASSCRED) => socket.inner.set_pass_creds(flag()?),
        (SOL_SOCKET, SO_PRIORITY) => options.priority.set(number()?),
        (SOL_SOCKET, SO_MARK) => {
            cx.need(CapSet::NET_ADMIN)?;
            options.mark.set(number()?);
        }
        (SOL_SOCKET, SO_RCVLOWAT) => options.low_water.set(number()?),
        (SOL_SOCKET, SO_DEBUG | SO_DONTROUTE | SO_TIMESTAMP) => _ = number()?,
        (SOL_SOCKET, SO_SNDBUF) => options.send_buffer.set(Some(doubled(number()?))),
        (SOL_SOCKET, SO_RCVBUF) => options.receive_buffer.set(Some(doubled(number()?))),
        (SOL_SOCKET, SO_SNDBUFFORCE | SO_RCVBUFFORCE) => {
            cx.need(CapSet::NET_ADMIN)?;
            number()?;
        }
        (SOL_SOCKET, SO_LINGER) => {
            if value.len() < 8 {
                return Err(Errno::EINVAL);
            }
            let linger = (u32::from(get_u32(value, 0) != 0), get_u32(value, 4));
            options.linger.set(linger);
            socket.inner.set_reset_on_close(linger == (1, 0));
        }
        (SOL_SOCKET, SO_RCVTIMEO | SO_SNDTIMEO) => {
            let raw: [u8; 16] = value
                .get(..16)
                .and_then(|v| v.try_into().ok())
                .ok_or(Errno::EINVAL)?;
            let timeout = Some(timeval_to_ns(&raw)?).filter(|ns| *ns > 0);
            match option {
                SO_RCVTIMEO => options.receive_timeout.set(timeout),
                _ => options.send_timeout.set(timeout),
            }
        }
        // Filters only narrow what netlink and ping sockets get; who sets them checks again.
        (SOL_SOCKET, SO_ATTACH_FILTER | SO_DETACH_FILTER) => {}
        (SOL_SOCKET, SO_BINDTODEVICE) => {
            let name = value.split(|b| *b == 0).next().unwrap_or_default();
            let known = socket
                .ns
                .interfaces()
                .iter()
                .any(|i| i.name.as_bytes() == name);
            if !name.is_empty() && !known {
                return Err(Errno::ENODEV);
            }
        }
        (SOL_SOCKET, SO_TYPE | SO_PROTOCOL | SO_DOMAIN | SO_ERROR | SO_ACCEPTCONN) => {
            return Err(Errno::ENOPROTOOPT);
        }
        (IPPROTO_TCP, TCP_NODELAY) if socket.protocol == IPPROTO_TCP => {
            options.no_delay.set(flag()?)
        }
        (IPPROTO_TCP, 2..=10 | 12 | 13 | 18 | 23..=30) if socket.protocol == IPPROTO_TCP => {}
        (SOL_IP, IP_TTL) if inet => options.ttl.set(Some(number()?)),
        (SOL_IP, IP_RECVTTL) if inet => options
            .receive_ttl
            .set(value.first().is_some_and(|b| *b != 0)),
        (SOL_IP, 1..=50) if inet => {}
        (IPPROTO_IPV6, IPV6_V6ONLY) if socket.family == AF_INET6 => {
            if let Some(reuse) = reuse {
                reuse.v6_only.set(flag()?);
            }
        }
        (IPPROTO_IPV6, IPV6_UNICAST_HOPS) if socket.family == AF_INET6 => {
            options.ttl.set(Some(number()?))
        }
        (IPPROTO_IPV6, IPV6_RECVHOPLIMIT) if socket.family == AF_INET6 => {
            options.receive_ttl.set(flag()?)
        }
        (IPPROTO_IPV6, 1..=80) if socket.family == AF_INET6 => {}
        (IPPROTO_ICMPV6 | SOL_RAW, 1) if inet => {}
        (SOL_NETLINK, _) if socket.family == AF_NETLINK => {}
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}
