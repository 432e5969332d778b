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
