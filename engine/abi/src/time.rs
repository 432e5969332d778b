//! Clocks and time structures.
#![allow(missing_docs)]

use crate::{Errno, get_u64};

pub const CLOCK_REALTIME: u32 = 0;
pub const CLOCK_MONOTONIC: u32 = 1;
pub const CLOCK_PROCESS_CPUTIME_ID: u32 = 2;
pub const CLOCK_THREAD_CPUTIME_ID: u32 = 3;
pub const CLOCK_MONOTONIC_RAW: u32 = 4;
pub const CLOCK_REALTIME_COARSE: u32 = 5;
pub const CLOCK_MONOTONIC_COARSE: u32 = 6;
pub const CLOCK_BOOTTIME: u32 = 7;
pub const CLOCK_REALTIME_ALARM: u32 = 8;
pub const CLOCK_BOOTTIME_ALARM: u32 = 9;
pub const CLOCK_TAI: u32 = 11;
pub const TIMER_ABSTIME: u32 = 1;
pub const TFD_TIMER_ABSTIME: u32 = 1;
pub const ITIMER_REAL: u32 = 0;
pub const ITIMER_VIRTUAL: u32 = 1;
pub const ITIMER_PROF: u32 = 2;

/// `USER_HZ`: clock ticks a second as `times(2)` and `/proc` count them.
pub const USER_HZ: u64 = 100;

pub const NSEC_PER_SEC: u64 = 1_000_000_000;

/// `struct timespec` in guest memory to nanoseconds; `EINVAL` for a negative or malformed one.
pub fn timespec_to_ns(bytes: &[u8; 16]) -> Result<u64, Errno> {
    let (sec, nsec) = (get_u64(bytes, 0), get_u64(bytes, 8));
    if (sec as i64) < 0 || nsec >= NSEC_PER_SEC {
        return Err(Errno::EINVAL);
    }
    Ok(sec.saturating_mul(NSEC_PER_SEC).saturating_add(nsec))
}

/// Nanoseconds to `struct timespec`.
pub fn ns_to_timespec(ns: u64) -> [u8; 16] {
    pair(ns / NSEC_PER_SEC, ns % NSEC_PER_SEC)
}

/// `struct timeval` in guest memory to nanoseconds; `EINVAL` for a negative or malformed one.
pub fn timeval_to_ns(bytes: &[u8; 16]) -> Result<u64, Errno> {
    let (sec, usec) = (get_u64(bytes, 0), get_u64(bytes, 8));
    if (sec as i64) < 0 || usec >= 1_000_000 {
        return Err(Errno::EINVAL);
    }
    Ok(sec.saturating_mul(NSEC_PER_SEC).saturating_add(usec * 1000))
}

/// Nanoseconds to `struct timeval`.
pub fn ns_to_timeval(ns: u64) -> [u8; 16] {
    pair(ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000)
}

fn pair(a: u64, b: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&a.to_le_bytes());
    out[8..].copy_from_slice(&b.to_le_bytes());
    out
}
