//! Time and randomness, handed in by the host.

use crate::api::types::Timestamp;

/// The host's clocks. The engine reads no other.
pub trait Clock {
    /// Nanoseconds since 1970-01-01 UTC.
    fn now(&self) -> Timestamp;

    /// Nanoseconds on a clock that never goes back; its zero means nothing.
    fn monotonic(&self) -> u64;
}

/// The host's source of randomness.
pub trait Entropy {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// 32 random bytes as 64 hex digits, Docker's object id. As in moby, ids whose
/// first twelve digits are all decimal are drawn again, so that a short id is
/// never mistaken for a number.
pub fn random_id(entropy: &dyn Entropy) -> String {
    loop {
        let mut bytes = [0u8; 32];
        entropy.fill(&mut bytes);
        let id = hex::encode(bytes);
        // A source stuck at zero would loop for ever.
        if !id[..12].bytes().all(|b| b.is_ascii_digit()) || bytes == [0; 32] {
            return id;
        }
    }
}
