//! Sockets: dispatched to [`crate::net`], which implements the families.

use bottleship_abi::Errno;

use super::{Args, Cx, SysResult};
use crate::net;

pub(super) fn socket(cx: &Cx, a: &Args) -> SysResult {
    let file = net::socket(cx, a[0] as u32, a[1] as u32, a[2] as u32)?;
    cx.install(file, a[1] as u32)
}

pub(super) fn socketpair(_: &Cx, _: &Args) -> SysResult {
    Err(Errno::EAFNOSUPPORT.into())
}

/// Every call on a descriptor that isn't a socket, and none is.
pub(super) fn not_a_socket(cx: &Cx, a: &Args) -> SysResult {
    cx.io_file(a[0])?;
    Err(Errno::ENOTSOCK.into())
}
