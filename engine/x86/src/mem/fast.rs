//! The guest's own accesses: the TLBs' fast paths, and what happens when they miss.
//!
//! A failed access returns `None` or false and leaves the reason in `stop`; nothing was written then.
#![allow(unsafe_code)] // Host pointers come from TLB entries, which `forget*` drops before the pages go.

use super::{Inner, Stop, Tlb};
use crate::exec::int::Int;
use crate::exit::{Access, Exit, Fault};
use bottleship_page::PAGE_SIZE;

/// What the interpreter's loop can work on: all of memory, or only what the TLBs have.
pub trait Memory {
    /// Whether the loop is to stop after each op.
    const ONE_OP: bool;
    fn tlb(&mut self) -> &mut Tlb;
    /// Where `bytes` (1 to 4096) readable bytes are in the host, if one page holds them.
    fn host_read(&mut self, addr: u64, bytes: u64) -> Option<*const u64>;
    /// Where `bytes` (1 to 4096) writable bytes are in the host, if one page without code holds them.
    fn host_write(&mut self, addr: u64, bytes: u64) -> Option<*mut u64>;
    fn load<T: Int>(&mut self, addr: u64) -> Option<T>;
    /// Loads what the same instruction is about to store: fails as the store would, which then can't.
    fn load_for_write<T: Int>(&mut self, addr: u64) -> Option<T>;
    fn store<T: Int>(&mut self, addr: u64, value: T) -> bool;
    fn load_u128(&mut self, addr: u64) -> Option<u128>;
    fn store_u128(&mut self, addr: u64, value: u128) -> bool;
    /// Says why an op can't be carried out; false.
    fn refuse(&mut self, stop: Stop) -> bool;
}

/// What misses is refused without a reason, to be done over all of memory.
impl Memory for Tlb {
    const ONE_OP: bool = false;

    #[inline(always)]
    fn tlb(&mut self) -> &mut Tlb {
        self
    }

    #[inline(always)]
    fn host_read(&mut self, addr: u64, bytes: u64) -> Option<*const u64> {
        let entry = &self.read[Tlb::index(addr)];
        (addr.wrapping_sub(entry.tag) <= PAGE_SIZE as u64 - bytes)
            .then(|| (addr as usize).wrapping_add(entry.addend) as *const u64)
    }

    #[inline(always)]
    fn host_write(&mut self, addr: u64, bytes: u64) -> Option<*mut u64> {
        let entry = &self.write[Tlb::index(addr)];
        (addr.wrapping_sub(entry.tag) <= PAGE_SIZE as u64 - bytes)
            .then(|| (addr as usize).wrapping_add(entry.addend) as *mut u64)
    }

    #[inline(always)]
    fn load<T: Int>(&mut self, addr: u64) -> Option<T> {
        let host = self.host_read(addr, T::BYTES)?;
        // SAFETY: T::BYTES bytes from `host` on are a readable page's.
        Some(unsafe { host.cast::<T>().read_unaligned() })
    }

    #[inline(always)]
    fn load_for_write<T: Int>(&mut self, addr: u64) -> Option<T> {
        let host = self.host_write(addr, T::BYTES)?;
        // SAFETY: T::BYTES bytes from `host` on are a writable page's.
        Some(unsafe { host.cast::<T>().read_unaligned() })
    }

    #[inline(always)]
    fn store<T: Int>(&mut self, addr: u64, value: T) -> bool {
        let Some(host) = self.host_write(addr, T::BYTES) else {
            return false;
        };
        // SAFETY: T::BYTES bytes from `host` on are a writable page's.
        unsafe { host.cast::<T>().write_unaligned(value) };
        true
    }

    #[inline(always)]
    fn load_u128(&mut self, addr: u64) -> Option<u128> {
        let host = self.host_read(addr, 16)?;
        // SAFETY: 16 bytes from `host` on are a readable page's.
        Some(unsafe { host.cast::<u128>().read_unaligned() })
    }

    #[inline(always)]
    fn store_u128(&mut self, addr: u64, value: u128) -> bool {
        let Some(host) = self.host_write(addr, 16) else {
            return false;
        };
        // SAFETY: 16 bytes from `host` on are a writable page's.
        unsafe { host.cast::<u128>().write_unaligned(value) };
        true
    }

    #[inline(always)]
    fn refuse(&mut self, _: Stop) -> bool {
        false
    }
}

impl Memory for Inner {
    const ONE_OP: bool = true;

    #[inline(always)]
    fn tlb(&mut self) -> &mut Tlb {
        &mut self.tlb
    }

    fn host_read(&mut self, addr: u64, bytes: u64) -> Option<*const u64> {
        Inner::host_read(self, addr, bytes)
    }

    fn host_write(&mut self, addr: u64, bytes: u64) -> Option<*mut u64> {
        Inner::host_write(self, addr, bytes)
    }

    fn load<T: Int>(&mut self, addr: u64) -> Option<T> {
        Inner::load(self, addr)
    }

    fn load_for_write<T: Int>(&mut self, addr: u64) -> Option<T> {
        Inner::load_for_write(self, addr)
    }

    fn store<T: Int>(&mut self, addr: u64, value: T) -> bool {
        Inner::store(self, addr, value)
    }

    fn load_u128(&mut self, addr: u64) -> Option<u128> {
        Inner::load_u128(self, addr)
    }

    fn store_u128(&mut self, addr: u64, value: u128) -> bool {
        Inner::store_u128(self, addr, value)
    }

    fn refuse(&mut self, stop: Stop) -> bool {
        self.stop = Some(stop);
        false
    }
}

impl Inner {
    /// Where `bytes` (1 to 4096) readable bytes are in the host, if one page holds them. `stop` isn't set.
    #[inline(always)]
    pub fn host_read(&mut self, addr: u64, bytes: u64) -> Option<*const u64> {
        let entry = &self.tlb.read[Tlb::index(addr)];
        if addr.wrapping_sub(entry.tag) <= PAGE_SIZE as u64 - bytes {
            return Some((addr as usize).wrapping_add(entry.addend) as *const u64);
        }
        self.host_read_slow(addr, bytes)
    }

    /// Where `bytes` (1 to 4096) writable bytes are in the host, if one page without code holds them. `stop` isn't set.
    #[inline(always)]
    pub fn host_write(&mut self, addr: u64, bytes: u64) -> Option<*mut u64> {
        let entry = &self.tlb.write[Tlb::index(addr)];
        if addr.wrapping_sub(entry.tag) <= PAGE_SIZE as u64 - bytes {
            return Some((addr as usize).wrapping_add(entry.addend) as *mut u64);
        }
        self.host_write_slow(addr, bytes)
    }

    #[cold]
    #[inline(never)]
    fn host_read_slow(&mut self, addr: u64, bytes: u64) -> Option<*const u64> {
        if addr % PAGE_SIZE as u64 + bytes > PAGE_SIZE as u64 {
            return None;
        }
        let page = self.lookup(addr, Access::Read).ok()?.page.as_ptr();
        self.tlb.fill_read(addr, page);
        // SAFETY: the offset lies within the page.
        Some(
            unsafe { page.add(addr as usize % PAGE_SIZE) }
                .cast_const()
                .cast(),
        )
    }

    #[cold]
    #[inline(never)]
    fn host_write_slow(&mut self, addr: u64, bytes: u64) -> Option<*mut u64> {
        if addr % PAGE_SIZE as u64 + bytes > PAGE_SIZE as u64 {
            return None;
        }
        let m = self.lookup(addr, Access::Write).ok()?;
        if m.page.is_watched() {
            return None;
        }
        let page = self.writable(addr).ok()?.as_ptr();
        self.tlb.fill_write(addr, page);
        self.tlb.fill_read(addr, page);
        // SAFETY: the offset lies within the page.
        Some(unsafe { page.add(addr as usize % PAGE_SIZE) }.cast())
    }

    #[inline(always)]
    pub fn load<T: Int>(&mut self, addr: u64) -> Option<T> {
        let entry = &self.tlb.read[Tlb::index(addr)];
        if addr.wrapping_sub(entry.tag) <= PAGE_SIZE as u64 - T::BYTES {
            // SAFETY: the entry's tag says that T::BYTES bytes from here on are a readable page's.
            return Some(unsafe {
                ((addr as usize).wrapping_add(entry.addend) as *const T).read_unaligned()
            });
        }
        self.load_slow(addr, T::BYTES).map(T::cut)
    }

    /// Loads what the same instruction is about to store: fails as the store would, which then can't.
    #[inline(always)]
    pub fn load_for_write<T: Int>(&mut self, addr: u64) -> Option<T> {
        let entry = &self.tlb.write[Tlb::index(addr)];
        if addr.wrapping_sub(entry.tag) <= PAGE_SIZE as u64 - T::BYTES {
            // SAFETY: the entry's tag says that T::BYTES bytes from here on are a writable page's.
            return Some(unsafe {
                ((addr as usize).wrapping_add(entry.addend) as *const T).read_unaligned()
            });
        }
        self.load_for_write_slow(addr, T::BYTES).map(T::cut)
    }

    #[inline(always)]
    pub fn store<T: Int>(&mut self, addr: u64, value: T) -> bool {
        let entry = &self.tlb.write[Tlb::index(addr)];
        if addr.wrapping_sub(entry.tag) <= PAGE_SIZE as u64 - T::BYTES {
            // SAFETY: the entry's tag says that T::BYTES bytes from here on are a writable page's.
            unsafe {
                ((addr as usize).wrapping_add(entry.addend) as *mut T).write_unaligned(value)
            };
            return true;
        }
        self.store_slow(addr, value.z(), T::BYTES)
    }

    pub fn load_u128(&mut self, addr: u64) -> Option<u128> {
        if let Some(host) = self.host_read(addr, 16) {
            // SAFETY: 16 bytes from `host` on are a readable page's.
            return Some(unsafe { host.cast::<u128>().read_unaligned() });
        }
        let mut bytes = [0; 16];
        self.guest_read(addr, &mut bytes)?;
        Some(u128::from_le_bytes(bytes))
    }

    pub fn store_u128(&mut self, addr: u64, value: u128) -> bool {
        if let Some(host) = self.host_write(addr, 16) {
            // SAFETY: 16 bytes from `host` on are a writable page's.
            unsafe { host.cast::<u128>().write_unaligned(value) };
            return true;
        }
        self.guest_write(addr, &value.to_le_bytes())
    }

    #[cold]
    #[inline(never)]
    fn load_slow(&mut self, addr: u64, bytes: u64) -> Option<u64> {
        let mut buf = [0; 8];
        match self.host_read(addr, bytes) {
            // SAFETY: `bytes` (at most 8) bytes from `host` on are a readable page's.
            Some(host) => unsafe {
                std::ptr::copy_nonoverlapping(host.cast::<u8>(), buf.as_mut_ptr(), bytes as usize);
            },
            None => self.guest_read(addr, &mut buf[..bytes as usize])?,
        }
        Some(u64::from_le_bytes(buf))
    }

    #[cold]
    #[inline(never)]
    fn load_for_write_slow(&mut self, addr: u64, bytes: u64) -> Option<u64> {
        self.may_write(addr, bytes)?;
        self.load_slow(addr, bytes)
    }

    #[cold]
    #[inline(never)]
    fn store_slow(&mut self, addr: u64, value: u64, bytes: u64) -> bool {
        match self.host_write(addr, bytes) {
            Some(host) => {
                // SAFETY: `bytes` (at most 8) bytes from `host` on are a writable page's.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        value.to_le_bytes().as_ptr(),
                        host.cast::<u8>(),
                        bytes as usize,
                    )
                };
                true
            }
            None => self.guest_write(addr, &value.to_le_bytes()[..bytes as usize]),
        }
    }

    /// Reads bytes that may cross pages, for an instruction.
    pub fn guest_read(&mut self, addr: u64, buf: &mut [u8]) -> Option<()> {
        let result = self.read(addr, buf);
        self.stop_at(addr, buf.len() as u64, result)
    }

    /// Writes bytes that may cross pages, all or none, for an instruction.
    pub fn guest_write(&mut self, addr: u64, data: &[u8]) -> bool {
        if self.may_write(addr, data.len() as u64).is_none() {
            return false;
        }
        let result = self.write(addr, data);
        self.stop_at(addr, data.len() as u64, result).is_some()
    }

    /// Checks that an instruction may write all of these bytes, now.
    pub fn may_write(&mut self, addr: u64, bytes: u64) -> Option<()> {
        let mut at = addr;
        let mut left = bytes;
        while left > 0 {
            match self.lookup(at, Access::Write) {
                Err(fault) => return self.stop_at(addr, bytes, Err(fault)),
                Ok(m) if m.page.is_watched() && !self.code_writes => {
                    self.stop = Some(Stop::Alone);
                    return None;
                }
                Ok(_) => {}
            }
            let n = left.min(PAGE_SIZE as u64 - at % PAGE_SIZE as u64);
            left -= n;
            at = at.wrapping_add(n);
        }
        Some(())
    }

    fn stop_at(&mut self, addr: u64, bytes: u64, result: Result<(), Fault>) -> Option<()> {
        let fault = match result {
            Ok(()) => return Some(()),
            Err(fault) => fault,
        };
        let last = addr.wrapping_add(bytes.saturating_sub(1));
        self.stop = Some(if canonical(addr) && canonical(last) {
            Stop::Fault(fault)
        } else {
            Stop::Exit(Exit::GeneralProtection)
        });
        None
    }
}

/// Whether bits 63 to 47 are all the same.
pub fn canonical(addr: u64) -> bool {
    ((addr << 16) as i64 >> 16) as u64 == addr
}
