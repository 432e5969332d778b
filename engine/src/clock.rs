//! Time and randomness, handed in by the host.

use std::cell::Cell;

use sha2::{Digest, Sha256};

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

/// A clock that only moves when told to: replays and tests.
pub struct ManualClock {
    start: Timestamp,
    elapsed: Cell<u64>,
}

impl ManualClock {
    /// A clock standing at that time.
    pub fn new(start: Timestamp) -> Self {
        ManualClock {
            start,
            elapsed: Cell::new(0),
        }
    }

    /// Moves on by so many nanoseconds.
    pub fn advance(&self, nanos: u64) {
        self.elapsed.set(self.elapsed.get() + nanos);
    }

    /// Moves on to a monotonic time, in nanoseconds; never back.
    pub fn advance_to(&self, monotonic: u64) {
        self.elapsed.set(self.elapsed.get().max(monotonic));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.start.nanos() + i128::from(self.elapsed.get()))
    }

    fn monotonic(&self) -> u64 {
        self.elapsed.get()
    }
}

/// Pseudo-random bytes from a seed (SHA-256 of seed and counter): the same seed
/// gives the same run.
pub struct SeededEntropy {
    seed: [u8; 32],
    counter: Cell<u64>,
}

impl SeededEntropy {
    /// Bytes from that seed.
    pub fn new(seed: [u8; 32]) -> Self {
        SeededEntropy {
            seed,
            counter: Cell::new(0),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let counter = self.counter.get();
            self.counter.set(counter + 1);
            let block = Sha256::new()
                .chain_update(self.seed)
                .chain_update(counter.to_le_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
