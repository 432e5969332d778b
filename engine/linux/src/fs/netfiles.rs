//! `/proc/PID/net`.

use bottleship_abi::mode::S_IFREG;

use crate::kernel::ns::Namespaces;
use crate::syscall::Cx;

/// The files there.
pub const FILES: &[(&str, u32)] = &[
    ("dev", S_IFREG),
    ("if_inet6", S_IFREG),
    ("route", S_IFREG),
    ("tcp", S_IFREG),
    ("tcp6", S_IFREG),
    ("udp", S_IFREG),
    ("udp6", S_IFREG),
    ("unix", S_IFREG),
];

/// The contents of one of them.
pub fn make(_: &Cx, ns: &Namespaces, name: &str) -> String {
    crate::net::proc_file(ns.net(), name)
}
