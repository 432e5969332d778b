//! Access to a guest's memory from system calls: pages come in as they are touched, bad addresses are `EFAULT`.

use bottleship_abi::Errno;
use bottleship_abi::fs::PATH_MAX;
use bottleship_x86::Access;

use super::{Mm, PAGE, TASK_SIZE, page_down};

impl Mm {
    /// Copies from the guest.
    pub fn read(&self, mut addr: u64, mut buf: &mut [u8]) -> Result<(), Errno> {
        while !buf.is_empty() {
            let n = buf.len().min((PAGE - addr % PAGE) as usize);
            let (part, rest) = buf.split_at_mut(n);
            let read = self.space.borrow().read(addr, part);
            if read.is_err() {
                self.fault_for_user(addr, Access::Read)?;
                self.space
                    .borrow()
                    .read(addr, part)
                    .map_err(|_| Errno::EFAULT)?;
            }
            buf = rest;
            addr = addr.wrapping_add(n as u64);
        }
        Ok(())
    }

    /// Copies to the guest.
    pub fn write(&self, mut addr: u64, mut data: &[u8]) -> Result<(), Errno> {
        while !data.is_empty() {
            let n = data.len().min((PAGE - addr % PAGE) as usize);
            let wrote = self.space.borrow_mut().write(addr, &data[..n]);
            if wrote.is_err() {
                self.fault_for_user(addr, Access::Write)?;
                self.space
                    .borrow_mut()
                    .write(addr, &data[..n])
                    .map_err(|_| Errno::EFAULT)?;
            }
            data = &data[n..];
            addr = addr.wrapping_add(n as u64);
        }
        Ok(())
    }

    /// How many of `len` bytes at `addr` can be accessed, at least one, or `EFAULT`. Bounds a transfer before its
    /// side effects happen.
    pub fn accessible(&self, addr: u64, len: u64, access: Access) -> Result<u64, Errno> {
        if len == 0 {
            return Ok(0);
        }
        if addr >= TASK_SIZE {
            return Err(Errno::EFAULT);
        }
        let end = addr.saturating_add(len).min(TASK_SIZE);
        let mut at = addr;
        while at < end {
            let present = self
                .space
                .borrow()
                .get(at / PAGE)
                .is_some_and(|mapping| mapping.prot.allows(access));
            if !present && let Err(error) = self.fault_for_user(at, access) {
                return if at == addr {
                    Err(error)
                } else {
                    Ok(at - addr)
                };
            }
            at = page_down(at) + PAGE;
        }
        Ok(end - addr)
    }

    /// Reads a NUL-terminated string of at most `max` bytes; `ENAMETOOLONG` beyond.
    pub fn read_cstr(&self, mut addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
        let mut string = Vec::new();
        let mut buf = [0u8; 256];
        loop {
            let n = buf.len().min((PAGE - addr % PAGE) as usize);
            self.read(addr, &mut buf[..n])?;
            match buf[..n].iter().position(|&b| b == 0) {
                Some(end) => string.extend_from_slice(&buf[..end]),
                None => string.extend_from_slice(&buf[..n]),
            }
            if string.len() > max {
                return Err(Errno::ENAMETOOLONG);
            }
            if buf[..n].contains(&0) {
                return Ok(string);
            }
            addr = addr.wrapping_add(n as u64);
        }
    }

    /// Reads a path name.
    pub fn read_path(&self, addr: u64) -> Result<Vec<u8>, Errno> {
        self.read_cstr(addr, PATH_MAX - 1)
    }

    /// Replaces a 32-bit number atomically; gives the old one.
    pub fn update_u32(&self, addr: u64, update: impl Fn(u32) -> Option<u32>) -> Result<u32, Errno> {
        let first = self.space.borrow_mut().update_u32(addr, &update);
        match first {
            Ok(old) => Ok(old),
            Err(fault) => {
                self.fault_for_user(fault.addr, Access::Write)?;
                self.space
                    .borrow_mut()
                    .update_u32(addr, &update)
                    .map_err(|_| Errno::EFAULT)
            }
        }
    }
}
