//! `epoll`: interest lists.
//!
//! Readiness is asked for at every wait; edges are told from levels by the event counts of the files' wait queues.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use bottleship_abi::Errno;
use bottleship_abi::poll::{EPOLLET, EPOLLONESHOT, POLLERR, POLLHUP};

use super::file::{File, IN, OpenFile};
use super::wait::{PollTable, WaitQueue};

/// What is watched on one descriptor.
#[derive(Clone, Copy)]
pub struct Interest {
    pub events: u32,
    pub data: u64,
}

struct Item {
    file: Weak<OpenFile>,
    interest: Cell<Interest>,
    /// For edge-triggered ones: the event count when it was last reported.
    seen: Cell<Option<u64>>,
    disabled: Cell<bool>,
}

/// An interest list.
#[derive(Default)]
pub struct Epoll {
    items: RefCell<BTreeMap<(i32, usize), Item>>,
    changed: WaitQueue,
    /// Where the last report ended, so that everyone gets a turn.
    next: Cell<(i32, usize)>,
    /// How many interest lists it watched so far, and whether another one watched it.
    inner: Cell<usize>,
    watched: Cell<bool>,
}

/// `fs.epoll.max_user_watches`, for one instance.
const MAX_ITEMS: usize = 16384;
/// Other interest lists that one may watch, which must not watch others in turn: asking it asks them all.
const MAX_NESTED: usize = 64;

fn key(fd: i32, file: &Rc<OpenFile>) -> (i32, usize) {
    (fd, Rc::as_ptr(file) as usize)
}

impl Epoll {
    /// `EPOLL_CTL_ADD`.
    pub fn add(&self, fd: i32, file: &Rc<OpenFile>, interest: Interest) -> Result<(), Errno> {
        if self.items.borrow().len() >= MAX_ITEMS {
            return Err(Errno::ENOSPC);
        }
        let inner = file.downcast::<Epoll>();
        if let Some(other) = inner {
            let deep = other.inner.get() > 0 || self.watched.get();
            if std::ptr::eq(other, self) || deep || self.inner.get() >= MAX_NESTED {
                return Err(Errno::ELOOP);
            }
        }
        let mut items = self.items.borrow_mut();
        items.retain(|_, item| item.file.strong_count() > 0);
        if items.contains_key(&key(fd, file)) {
            return Err(Errno::EEXIST);
        }
        let item = Item {
            file: Rc::downgrade(file),
            interest: Cell::new(interest),
            seen: Cell::new(None),
            disabled: Cell::new(false),
        };
        items.insert(key(fd, file), item);
        drop(items);
        if let Some(other) = inner {
            other.watched.set(true);
            self.inner.set(self.inner.get() + 1);
        }
        self.changed.wake();
        Ok(())
    }

    /// `EPOLL_CTL_MOD`.
    pub fn modify(&self, fd: i32, file: &Rc<OpenFile>, interest: Interest) -> Result<(), Errno> {
        let items = self.items.borrow();
        let item = items.get(&key(fd, file)).ok_or(Errno::ENOENT)?;
        item.interest.set(interest);
        item.disabled.set(false);
        item.seen.set(None);
        drop(items);
        self.changed.wake();
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    pub fn remove(&self, fd: i32, file: &Rc<OpenFile>) -> Result<(), Errno> {
        self.items
            .borrow_mut()
            .remove(&key(fd, file))
            .map(drop)
            .ok_or(Errno::ENOENT)
    }

    /// Up to `max` ready items, and registers in `table` for what becomes ready.
    pub fn collect(&self, max: usize, table: &mut PollTable, report: bool) -> Vec<Interest> {
        table.add(&self.changed);
        let mut ready = Vec::new();
        let mut gone = Vec::new();
        let items = self.items.borrow();
        let start = self.next.get();
        for (&key, item) in items.range(start..).chain(items.range(..start)) {
            let Some(file) = item.file.upgrade() else {
                gone.push(key);
                continue;
            };
            let interest = item.interest.get();
            if item.disabled.get() {
                continue;
            }
            let mut counted = PollTable::peek();
            let before = counted.events();
            let found = file.file.poll(&mut counted) & (interest.events | POLLERR | POLLHUP);
            file.file.poll(table);
            if found == 0 {
                continue;
            }
            let count = counted.events().wrapping_sub(before);
            if interest.events & EPOLLET != 0 && item.seen.get() == Some(count) {
                continue;
            }
            if ready.len() < max {
                ready.push(Interest {
                    events: found,
                    data: interest.data,
                });
                if report {
                    item.seen.set(Some(count));
                    if interest.events & EPOLLONESHOT != 0 {
                        item.disabled.set(true);
                    }
                    self.next.set((key.0, key.1.saturating_add(1)));
                }
            }
        }
        drop(items);
        for key in gone {
            self.items.borrow_mut().remove(&key);
        }
        ready
    }
}

impl File for Epoll {
    fn poll(&self, table: &mut PollTable) -> u32 {
        if self.collect(1, table, false).is_empty() {
            0
        } else {
            IN
        }
    }

    fn link_name(&self) -> Vec<u8> {
        b"anon_inode:[eventpoll]".to_vec()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
