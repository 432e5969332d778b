//! Pseudo-terminal files: `/dev/ptmx`, `/dev/pts/N`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bottleship_abi::tty::WinSize;
use bottleship_abi::{Errno, Signal};
use bottleship_vfs::InodeRef;

use super::Tty;
use crate::kernel::file::File;
use crate::kernel::wait::PollTable;
use crate::syscall::{Cx, SysResult};

/// `kernel.pty.max`, for one `/dev/pts`.
const MAX_PTYS: usize = 1024;

/// The terminals of one `/dev/pts`.
#[derive(Default)]
pub struct PtyTable {
    ttys: RefCell<BTreeMap<u32, Weak<Tty>>>,
    generation: Cell<u64>,
}

impl PtyTable {
    /// A new pair, under the lowest free number.
    pub fn allocate(&self, size: WinSize) -> Result<Rc<Tty>, Errno> {
        let mut ttys = self.ttys.borrow_mut();
        ttys.retain(|_, tty| tty.strong_count() > 0);
        if ttys.len() >= MAX_PTYS {
            return Err(Errno::ENOSPC);
        }
        let number = (0..).find(|number| !ttys.contains_key(number)).unwrap_or(0);
        let tty = Tty::new(number, size);
        ttys.insert(number, Rc::downgrade(&tty));
        self.generation.set(self.generation.get() + 1);
        Ok(tty)
    }

    /// The terminal behind `/dev/pts/N`.
    pub fn get(&self, number: u32) -> Option<Rc<Tty>> {
        self.ttys
            .borrow()
            .get(&number)?
            .upgrade()
            .filter(|tty| tty.masters.get() > 0)
    }

    /// The numbers in use.
    pub fn list(&self) -> Vec<u32> {
        let ttys = self.ttys.borrow();
        ttys.iter()
            .filter(|(_, tty)| tty.upgrade().is_some_and(|t| t.masters.get() > 0))
            .map(|(&n, _)| n)
            .collect()
    }
}

/// The master's side, in a guest.
pub struct MasterFile {
    pub tty: Rc<Tty>,
    inode: InodeRef,
}

impl MasterFile {
    /// Opens the master of `tty` through the node `inode`.
    pub fn new(tty: Rc<Tty>, inode: InodeRef) -> MasterFile {
        tty.open_master();
        MasterFile { tty, inode }
    }
}

impl Drop for MasterFile {
    fn drop(&mut self) {
        self.tty.close_master();
    }
}

impl File for MasterFile {
    fn read(&self, _: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.tty.master_read(buf)
    }

    fn write(&self, _: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        self.tty.master_write(data)
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.tty.wait);
        self.tty.master_ready()
    }

    fn ioctl(&self, cx: &Cx, request: u32, arg: u64) -> SysResult {
        super::ioctl::ioctl(&self.tty, true, cx, request, arg)
    }

    fn inode(&self) -> Option<&InodeRef> {
        Some(&self.inode)
    }

    fn link_name(&self) -> Vec<u8> {
        b"/dev/ptmx".to_vec()
    }

    fn fdinfo(&self) -> String {
        format!("tty-index:\t{}\n", self.tty.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The slave's side: the terminal that programs see.
pub struct SlaveFile {
    pub tty: Rc<Tty>,
    inode: Option<InodeRef>,
}

impl SlaveFile {
    /// Opens `tty`, through the node `inode` if there is one.
    pub fn new(tty: Rc<Tty>, inode: Option<InodeRef>) -> SlaveFile {
        tty.open_slave();
        SlaveFile { tty, inode }
    }
}

impl Drop for SlaveFile {
    fn drop(&mut self) {
        self.tty.close_slave();
    }
}

impl File for SlaveFile {
    fn read(&self, cx: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.tty.check_job(cx, Signal::SIGTTIN)?;
        self.tty.slave_read(buf)
    }

    fn read_timeout(&self) -> Option<u64> {
        self.tty.read_timeout()
    }

    fn write(&self, cx: &Cx, _: u64, data: &[u8]) -> Result<usize, Errno> {
        if self.tty.stops_background_output() {
            self.tty.check_job(cx, Signal::SIGTTOU)?;
        }
        self.tty.slave_write(data)
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.tty.wait);
        self.tty.slave_ready()
    }

    fn ioctl(&self, cx: &Cx, request: u32, arg: u64) -> SysResult {
        super::ioctl::ioctl(&self.tty, false, cx, request, arg)
    }

    fn inode(&self) -> Option<&InodeRef> {
        self.inode.as_ref()
    }

    fn stat(&self) -> bottleship_abi::fs::Stat {
        bottleship_abi::fs::Stat {
            dev: 24,
            ino: u64::from(self.tty.number) + 3,
            nlink: 1,
            mode: bottleship_abi::mode::S_IFCHR | 0o620,
            uid: self.tty.owner.get().0,
            gid: self.tty.owner.get().1,
            rdev: bottleship_abi::mode::makedev(136, self.tty.number),
            blksize: 1024,
            ..Default::default()
        }
    }

    fn link_name(&self) -> Vec<u8> {
        format!("/dev/pts/{}", self.tty.number).into_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
