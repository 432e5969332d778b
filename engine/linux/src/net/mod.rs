//! The network: namespaces of sockets.
//!
//! This is the seam for socket families: [`crate::syscall`]'s socket calls are dispatched to [`socket`], which answers
//! `EAFNOSUPPORT` for every family that isn't implemented. A socket is a [`File`](crate::kernel::file::File) whose
//! operations answer `EAGAIN` rather than block.

use std::rc::Rc;

use bottleship_abi::Errno;

use crate::kernel::file::OpenFile;
use crate::syscall::Cx;

/// A network namespace. Cheap to clone.
#[derive(Clone)]
pub struct NetNs(Rc<Inner>);

struct Inner {
    ino: u64,
}

impl NetNs {
    /// A namespace that `/proc/PID/ns/net` names by `ino`.
    pub(crate) fn new(ino: u64) -> NetNs {
        NetNs(Rc::new(Inner { ino }))
    }

    /// Its inode number.
    pub fn ino(&self) -> u64 {
        self.0.ino
    }
}

/// What connects the namespaces of a kernel.
#[derive(Default)]
pub struct Network {}

/// `socket(2)`.
pub fn socket(_cx: &Cx, _family: u32, _kind: u32, _protocol: u32) -> Result<Rc<OpenFile>, Errno> {
    Err(Errno::EAFNOSUPPORT)
}

/// A file of `/proc/PID/net`.
pub fn proc_file(_ns: &NetNs, name: &str) -> String {
    match name {
        "dev" => "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
        "route" => "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n",
        "tcp" | "tcp6" => "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
        "udp" | "udp6" => "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
        "unix" => "Num       RefCount Protocol Flags    Type St Inode Path\n",
        _ => "",
    }
    .to_owned()
}
