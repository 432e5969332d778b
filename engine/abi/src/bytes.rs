//! Little-endian access to structures in guest memory.

/// Fills a structure of `N` bytes field by field.
pub struct Layout<const N: usize>([u8; N]);

impl<const N: usize> Default for Layout<N> {
    fn default() -> Self {
        Layout([0; N])
    }
}

impl<const N: usize> Layout<N> {
    /// All zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of `bytes` at `offset`; what lies outside the structure is dropped.
    pub fn bytes(mut self, offset: usize, bytes: &[u8]) -> Self {
        if let Some(room) = self.0.get_mut(offset..) {
            let n = bytes.len().min(room.len());
            room[..n].copy_from_slice(&bytes[..n]);
        }
        self
    }

    /// A 16-bit field.
    pub fn u16(self, offset: usize, value: u16) -> Self {
        self.bytes(offset, &value.to_le_bytes())
    }

    /// A 32-bit field.
    pub fn u32(self, offset: usize, value: u32) -> Self {
        self.bytes(offset, &value.to_le_bytes())
    }

    /// A 64-bit field.
    pub fn u64(self, offset: usize, value: u64) -> Self {
        self.bytes(offset, &value.to_le_bytes())
    }

    /// The finished structure.
    pub fn done(self) -> [u8; N] {
        self.0
    }
}

fn get<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(part) = bytes.get(offset..).and_then(|rest| rest.get(..N)) {
        out.copy_from_slice(part);
    }
    out
}

/// The 16-bit field at `offset`; zero when it lies outside.
pub fn get_u16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(get(bytes, offset))
}

/// The 32-bit field at `offset`; zero when it lies outside.
pub fn get_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(get(bytes, offset))
}

/// The 64-bit field at `offset`; zero when it lies outside.
pub fn get_u64(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(get(bytes, offset))
}
