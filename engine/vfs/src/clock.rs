//! Time as file systems see it, and the numbers all file systems of one kernel share.

use std::cell::Cell;
use std::rc::Rc;

/// Seconds and nanoseconds since 1970; `nsec` is below 10⁹.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds, negative before 1970.
    pub sec: i64,
    /// Nanoseconds within the second.
    pub nsec: u32,
}

impl Time {
    /// A time at a whole second.
    pub fn from_secs(sec: i64) -> Time {
        Time { sec, nsec: 0 }
    }

    /// A time from nanoseconds since 1970.
    pub fn from_nanos(ns: i128) -> Time {
        let billion = 1_000_000_000;
        Time {
            sec: ns.div_euclid(billion) as i64,
            nsec: ns.rem_euclid(billion) as u32,
        }
    }

    /// Nanoseconds since 1970.
    pub fn as_nanos(self) -> i128 {
        i128::from(self.sec) * 1_000_000_000 + i128::from(self.nsec)
    }
}

/// The handle all file systems of one kernel share: the time its owner last set, and the next
/// anonymous device and inode numbers. Inode numbers are unique over the file systems of a kernel,
/// so an overlay can pass on those of its layers without a collision.
#[derive(Clone, Default)]
pub struct Clock(Rc<Shared>);

#[derive(Default)]
struct Shared {
    now: Cell<Time>,
    last_dev: Cell<u64>,
    last_ino: Cell<u64>,
}

impl Clock {
    /// A clock at 1970 that stands still until [`Clock::set`].
    pub fn new() -> Clock {
        Clock::default()
    }

    /// The time last set.
    pub fn now(&self) -> Time {
        self.0.now.get()
    }

    /// Sets the time that changes are stamped with.
    pub fn set(&self, now: Time) {
        self.0.now.set(now);
    }

    /// A fresh anonymous device number (major 0), as Linux gives to file systems without a disk.
    pub fn new_dev(&self) -> u64 {
        let minor = self.0.last_dev.get() + 1;
        self.0.last_dev.set(minor);
        // makedev(0, minor) as the stat structure encodes it: the minor's low 8 bits, then the rest.
        (minor & 0xff) | ((minor & !0xff) << 12)
    }

    /// A fresh inode number.
    pub fn new_ino(&self) -> u64 {
        let ino = self.0.last_ino.get() + 1;
        self.0.last_ino.set(ino);
        ino
    }
}
