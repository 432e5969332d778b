//! Files and directories of file systems, opened.

use std::any::Any;

use bottleship_abi::fs::IN_MODIFY;
use bottleship_abi::process::RLIMIT_FSIZE;
use bottleship_abi::tty::FIONREAD;
use bottleship_abi::{Errno, Signal};
use bottleship_vfs::{InodeRef, Path};

use super::file::File;
use crate::syscall::{Cx, SysResult};

/// A regular file, a directory, or what was opened with `O_PATH`.
pub struct InodeFile {
    path: Path,
}

impl InodeFile {
    /// The file at `path`.
    pub fn new(path: Path) -> InodeFile {
        InodeFile { path }
    }
}

impl File for InodeFile {
    fn read(&self, cx: &Cx, pos: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let n = self.path.inode().read_at(pos, buf)?;
        self.path.inode().accessed();
        let cgroup = cx.t.process.cgroup.borrow();
        cgroup.0.io_read.set(cgroup.0.io_read.get() + n as u64);
        Ok(n)
    }

    fn write(&self, cx: &Cx, pos: u64, data: &[u8]) -> Result<usize, Errno> {
        let limit = cx.t.process.limit(RLIMIT_FSIZE);
        let mut data = data;
        if pos.saturating_add(data.len() as u64) > limit {
            let room = limit.saturating_sub(pos);
            if room == 0 && !data.is_empty() {
                cx.raise(Signal::SIGXFSZ);
                return Err(Errno::EFBIG);
            }
            data = &data[..room as usize];
        }
        self.path.drop_privileges_on_write(&cx.t.creds.borrow())?;
        let n = self.path.inode().write_at(pos, data)?;
        let cgroup = cx.t.process.cgroup.borrow();
        cgroup
            .0
            .io_written
            .set(cgroup.0.io_written.get() + n as u64);
        cx.k.watches.notify(&self.path, IN_MODIFY);
        Ok(n)
    }

    fn ioctl(&self, cx: &Cx, request: u32, arg: u64) -> SysResult {
        match request {
            FIONREAD => {
                let size = self.path.attr()?.size;
                cx.write_mem(arg, &(size.min(i32::MAX as u64) as u32).to_le_bytes())?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY.into()),
        }
    }

    fn is_seekable(&self) -> bool {
        true
    }

    fn inode(&self) -> Option<&InodeRef> {
        Some(self.path.inode())
    }

    fn link_name(&self) -> Vec<u8> {
        self.path.path_from(&self.path.mount.root()).0
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
