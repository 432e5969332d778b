//! File locks: `flock(2)`, POSIX record locks, open file description locks.

use std::cell::RefCell;
use std::rc::Rc;

use bottleship_abi::Errno;

use super::file::OpenFile;
use super::wait::WaitQueue;

/// A file, by device and inode number.
pub type FileId = (u64, u64);

/// Who holds a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A process (POSIX record locks).
    Process(u32),
    /// An open file description.
    Description(usize),
}

/// A range of a file that is locked; `end` is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    pub file: FileId,
    /// `flock(2)`'s and `fcntl(2)`'s don't see each other.
    pub flock: bool,
    pub owner: Owner,
    pub exclusive: bool,
    pub start: u64,
    pub end: u64,
}

/// All locks of a kernel.
#[derive(Default)]
pub struct Locks {
    locks: RefCell<Vec<Lock>>,
    pub wait: WaitQueue,
}

/// As many locks as all processes together may hold.
const MAX_LOCKS: usize = 100_000;

impl Locks {
    /// A lock in the way of `wanted`.
    pub fn conflict(&self, wanted: &Lock) -> Option<Lock> {
        let locks = self.locks.borrow();
        locks
            .iter()
            .find(|held| {
                held.file == wanted.file
                    && held.flock == wanted.flock
                    && held.owner != wanted.owner
                    && (held.exclusive || wanted.exclusive)
                    && held.start < wanted.end
                    && wanted.start < held.end
            })
            .copied()
    }

    /// Takes a lock, in place of what its owner held there; `EAGAIN` when another is in the way.
    pub fn take(&self, wanted: Lock) -> Result<(), Errno> {
        if self.conflict(&wanted).is_some() {
            return Err(Errno::EAGAIN);
        }
        if self.locks.borrow().len() >= MAX_LOCKS {
            return Err(Errno::ENOLCK);
        }
        self.cut(&wanted);
        self.locks.borrow_mut().push(wanted);
        self.wait.wake();
        Ok(())
    }

    /// Gives up what the owner holds in the range.
    pub fn release(&self, range: Lock) {
        self.cut(&range);
        self.wait.wake();
    }

    fn cut(&self, range: &Lock) {
        let mut locks = self.locks.borrow_mut();
        let mut rest = Vec::new();
        locks.retain(|held| {
            let meets = held.file == range.file
                && held.flock == range.flock
                && held.owner == range.owner
                && held.start < range.end
                && range.start < held.end;
            if meets {
                if held.start < range.start {
                    rest.push(Lock {
                        end: range.start,
                        ..*held
                    });
                }
                if held.end > range.end {
                    rest.push(Lock {
                        start: range.end,
                        ..*held
                    });
                }
            }
            !meets
        });
        locks.extend(rest);
    }

    /// What a process loses when it closes any descriptor of the file.
    pub fn release_file(&self, file: FileId, pid: u32) {
        let mut locks = self.locks.borrow_mut();
        let before = locks.len();
        locks.retain(|held| held.flock || held.file != file || held.owner != Owner::Process(pid));
        let changed = locks.len() != before;
        drop(locks);
        if changed {
            self.wait.wake();
        }
    }

    /// What a process loses at its exit.
    pub fn release_process(&self, pid: u32) {
        self.drop_owner(Owner::Process(pid));
    }

    /// What an open file description loses when it goes.
    pub fn release_description(&self, file: &OpenFile) {
        self.drop_owner(Owner::Description(std::ptr::from_ref(file) as usize));
    }

    fn drop_owner(&self, owner: Owner) {
        let mut locks = self.locks.borrow_mut();
        let before = locks.len();
        locks.retain(|held| held.owner != owner);
        let changed = locks.len() != before;
        drop(locks);
        if changed {
            self.wait.wake();
        }
    }

    /// Whether there is any lock on the file, so that closing has to look.
    pub fn any(&self, file: FileId) -> bool {
        self.locks.borrow().iter().any(|held| held.file == file)
    }

    /// The lines of `/proc/locks`.
    pub fn list(&self) -> Vec<Lock> {
        self.locks.borrow().clone()
    }
}

/// The owner that stands for a description.
pub fn description(file: &Rc<OpenFile>) -> Owner {
    Owner::Description(Rc::as_ptr(file) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(pid: u32, exclusive: bool, start: u64, end: u64) -> Lock {
        Lock {
            file: (1, 2),
            flock: false,
            owner: Owner::Process(pid),
            exclusive,
            start,
            end,
        }
    }

    #[test]
    fn readers_share_and_writers_dont() {
        let locks = Locks::default();
        locks.take(lock(1, false, 0, 10)).unwrap();
        locks.take(lock(2, false, 5, 15)).unwrap();
        assert_eq!(locks.take(lock(3, true, 9, 10)), Err(Errno::EAGAIN));
        locks.take(lock(3, true, 15, u64::MAX)).unwrap();
        assert_eq!(
            locks.conflict(&lock(1, true, 0, 10)),
            Some(lock(2, false, 5, 15))
        );
    }

    #[test]
    fn a_range_in_the_middle_is_given_up() {
        let locks = Locks::default();
        locks.take(lock(1, true, 0, 30)).unwrap();
        locks.release(lock(1, true, 10, 20));
        locks.take(lock(2, true, 10, 20)).unwrap();
        assert_eq!(locks.take(lock(2, true, 9, 10)), Err(Errno::EAGAIN));
        assert_eq!(locks.take(lock(2, true, 20, 21)), Err(Errno::EAGAIN));
        locks.release_process(1);
        locks.take(lock(2, true, 0, u64::MAX)).unwrap();
        assert_eq!(locks.list().len(), 1);
    }

    #[test]
    fn flock_and_fcntl_dont_meet() {
        let locks = Locks::default();
        locks.take(lock(1, true, 0, u64::MAX)).unwrap();
        let whole = Lock {
            flock: true,
            owner: Owner::Description(7),
            ..lock(0, true, 0, u64::MAX)
        };
        locks.take(whole).unwrap();
        locks.release_file((1, 2), 1);
        assert_eq!(locks.list(), [whole]);
    }
}
