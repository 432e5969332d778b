//! The kernel's access to guest memory (`copy_from_user` and its like). Protection counts as for the guest.

use super::AddressSpace;
use crate::exit::{Access, Fault};
use bottleship_page::PAGE_SIZE;

macro_rules! typed {
    ($($read:ident $write:ident $type:ty),*) => {$(
        /// Reads a little-endian number.
        pub fn $read(&self, addr: u64) -> Result<$type, Fault> {
            let mut bytes = [0; size_of::<$type>()];
            self.read(addr, &mut bytes)?;
            Ok(<$type>::from_le_bytes(bytes))
        }

        /// Writes a little-endian number.
        pub fn $write(&mut self, addr: u64, value: $type) -> Result<(), Fault> {
            self.write(addr, &value.to_le_bytes())
        }
    )*};
}

impl AddressSpace {
    /// Copies from guest memory. The fault is that of the first byte that can't be read.
    pub fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Fault> {
        self.0.read(addr, buf)
    }

    /// Copies into guest memory. On a fault, what precedes it has been written.
    pub fn write(&mut self, addr: u64, data: &[u8]) -> Result<(), Fault> {
        self.0.write(addr, data)
    }

    typed!(read_u8 write_u8 u8, read_u16 write_u16 u16, read_u32 write_u32 u32, read_u64 write_u64 u64);

    /// Sets `len` bytes to zero.
    pub fn zero(&mut self, mut addr: u64, mut len: u64) -> Result<(), Fault> {
        while len > 0 {
            let page = self.0.writable(addr)?;
            let n = len.min(PAGE_SIZE as u64 - addr % PAGE_SIZE as u64);
            page.zero(addr as usize % PAGE_SIZE, n as usize);
            len -= n;
            addr = addr.wrapping_add(n);
        }
        Ok(())
    }

    /// Reads a string up to its zero byte, which isn't returned; `None` if it is longer than `max` bytes.
    pub fn read_cstr(&self, mut addr: u64, max: usize) -> Result<Option<Vec<u8>>, Fault> {
        let mut string = Vec::new();
        let mut buf = [0; 256];
        while string.len() <= max {
            let n = buf.len().min(PAGE_SIZE - addr as usize % PAGE_SIZE);
            self.read(addr, &mut buf[..n])?;
            if let Some(end) = buf[..n].iter().position(|&b| b == 0) {
                string.extend_from_slice(&buf[..end]);
                return Ok(Some(string).filter(|s| s.len() <= max));
            }
            string.extend_from_slice(&buf[..n]);
            addr = addr.wrapping_add(n as u64);
        }
        Ok(None)
    }

    /// Replaces a 32-bit number by what `update` makes of it, and returns the old one; `None` leaves it as it is.
    /// Nothing else runs meanwhile, so it is atomic for the guest.
    pub fn update_u32(
        &mut self,
        addr: u64,
        update: impl FnOnce(u32) -> Option<u32>,
    ) -> Result<u32, Fault> {
        let old = self.read_u32(addr)?;
        match update(old) {
            Some(new) => self.write_u32(addr, new)?,
            None => self.check(addr, 4, Access::Write)?,
        }
        Ok(old)
    }

    /// Whether all of `len` bytes from `addr` on are mapped and allow `access`; the fault says which isn't.
    pub fn check(&self, addr: u64, len: u64, access: Access) -> Result<(), Fault> {
        let mut at = addr;
        let mut left = len;
        while left > 0 {
            self.0.lookup(at, access)?;
            let n = left.min(PAGE_SIZE as u64 - at % PAGE_SIZE as u64);
            left -= n;
            at = at.wrapping_add(n);
        }
        Ok(())
    }
}
