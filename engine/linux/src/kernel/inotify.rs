//! `inotify`: watches on inodes, fed by the system calls that change files.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::{Rc, Weak};

use bottleship_abi::fs::{
    IN_IGNORED, IN_ISDIR, IN_MASK_ADD, IN_MASK_CREATE, IN_ONESHOT, IN_Q_OVERFLOW,
};
use bottleship_abi::tty::FIONREAD;
use bottleship_abi::{Errno, Layout};
use bottleship_vfs::Path;

use super::file::{File, IN};
use super::lock::FileId;
use super::wait::{PollTable, WaitQueue};
use crate::syscall::{Cx, SysResult};

/// `fs.inotify.max_queued_events`.
const MAX_EVENTS: usize = 16384;
/// `fs.inotify.max_user_watches`, for one instance.
const MAX_WATCHES: usize = 65536;

struct Event {
    wd: i32,
    mask: u32,
    cookie: u32,
    name: Vec<u8>,
}

impl Event {
    fn size(&self) -> usize {
        16 + if self.name.is_empty() {
            0
        } else {
            (self.name.len() + 1).next_multiple_of(16)
        }
    }
}

/// An instance: its watches and what they saw.
#[derive(Default)]
pub struct Inotify {
    watches: RefCell<BTreeMap<i32, (FileId, u32)>>,
    last: Cell<i32>,
    events: RefCell<VecDeque<Event>>,
    wait: WaitQueue,
}

impl Inotify {
    fn push(&self, event: Event) {
        let mut events = self.events.borrow_mut();
        if events.len() >= MAX_EVENTS {
            if events.back().is_some_and(|last| last.mask != IN_Q_OVERFLOW) {
                events.push_back(Event {
                    wd: -1,
                    mask: IN_Q_OVERFLOW,
                    cookie: 0,
                    name: Vec::new(),
                });
            }
            return;
        }
        // Like the last one: merged.
        let same = events.back().is_some_and(|last| {
            last.wd == event.wd
                && last.mask == event.mask
                && last.cookie == event.cookie
                && last.name == event.name
        });
        if !same {
            events.push_back(event);
        }
        drop(events);
        self.wait.wake();
    }
}

/// Instances and the numbers of their watches.
type Watchers = Vec<(Weak<Inotify>, i32)>;

/// The watches of all instances, by file.
#[derive(Default)]
pub struct Watches {
    by_file: RefCell<BTreeMap<FileId, Watchers>>,
    last_cookie: Cell<u32>,
}

/// The identity of the file at a path.
pub fn file_id(path: &Path) -> Result<FileId, Errno> {
    let attr = path.attr()?;
    Ok((attr.dev, attr.ino))
}

impl Watches {
    /// Adds a watch, or changes the one there is; its number.
    pub fn add(&self, instance: &Rc<Inotify>, file: FileId, mask: u32) -> Result<i32, Errno> {
        let mut watches = instance.watches.borrow_mut();
        if let Some((&wd, entry)) = watches
            .iter_mut()
            .find(|(_, (watched, _))| *watched == file)
        {
            if mask & IN_MASK_CREATE != 0 {
                return Err(Errno::EEXIST);
            }
            entry.1 = if mask & IN_MASK_ADD != 0 {
                entry.1 | mask
            } else {
                mask
            };
            return Ok(wd);
        }
        if watches.len() >= MAX_WATCHES {
            return Err(Errno::ENOSPC);
        }
        let wd = instance.last.get() + 1;
        instance.last.set(wd);
        watches.insert(wd, (file, mask));
        let mut by_file = self.by_file.borrow_mut();
        by_file
            .entry(file)
            .or_default()
            .push((Rc::downgrade(instance), wd));
        Ok(wd)
    }

    /// Removes a watch; its owner reads `IN_IGNORED`.
    pub fn remove(&self, instance: &Rc<Inotify>, wd: i32) -> Result<(), Errno> {
        let (file, _) = instance
            .watches
            .borrow_mut()
            .remove(&wd)
            .ok_or(Errno::EINVAL)?;
        let mut by_file = self.by_file.borrow_mut();
        if let Some(list) = by_file.get_mut(&file) {
            list.retain(|(other, number)| {
                *number != wd || !std::ptr::eq(other.as_ptr(), Rc::as_ptr(instance))
            });
            if list.is_empty() {
                by_file.remove(&file);
            }
        }
        drop(by_file);
        instance.push(Event {
            wd,
            mask: IN_IGNORED,
            cookie: 0,
            name: Vec::new(),
        });
        Ok(())
    }

    /// Whether nobody watches anything, so that callers needn't look further.
    pub fn is_empty(&self) -> bool {
        self.by_file.borrow().is_empty()
    }

    /// A number that ties the two events of a rename together.
    pub fn new_cookie(&self) -> u32 {
        self.last_cookie.set(self.last_cookie.get().wrapping_add(1));
        self.last_cookie.get()
    }

    /// Something happened to the file at `path`: its own watches and those of its directory hear of it.
    pub fn notify(&self, path: &Path, mask: u32) {
        if self.is_empty() {
            return;
        }
        let Ok(attr) = path.attr() else { return };
        let dir_bit = if attr.is_dir() { IN_ISDIR } else { 0 };
        self.tell((attr.dev, attr.ino), mask | dir_bit, 0, b"");
        if let Some(parent) = path.dentry.parent()
            && let Ok(up) = parent.inode().attr()
        {
            self.tell((up.dev, up.ino), mask | dir_bit, 0, &path.dentry.name());
        }
    }

    /// Something happened to the entry `name` of the directory `dir`.
    pub fn notify_entry(&self, dir: &Path, name: &[u8], mask: u32, cookie: u32) {
        if self.is_empty() {
            return;
        }
        if let Ok(id) = file_id(dir) {
            self.tell(id, mask, cookie, name);
        }
    }

    /// Something happened to this file itself.
    pub fn notify_self(&self, file: FileId, mask: u32) {
        if !self.is_empty() {
            self.tell(file, mask, 0, b"");
        }
    }

    fn tell(&self, file: FileId, mask: u32, cookie: u32, name: &[u8]) {
        let mut once = Vec::new();
        if let Some(list) = self.by_file.borrow_mut().get_mut(&file) {
            list.retain(|(instance, _)| instance.strong_count() > 0);
            for (instance, wd) in list {
                let Some(instance) = instance.upgrade() else {
                    continue;
                };
                let wanted = instance
                    .watches
                    .borrow()
                    .get(wd)
                    .map_or(0, |(_, mask)| *mask);
                if wanted & mask & !IN_ISDIR != 0 {
                    instance.push(Event {
                        wd: *wd,
                        mask,
                        cookie,
                        name: name.to_vec(),
                    });
                    if wanted & IN_ONESHOT != 0 {
                        once.push((instance, *wd));
                    }
                }
            }
        }
        for (instance, wd) in once {
            let _ = self.remove(&instance, wd);
        }
    }
}

/// A descriptor of an instance.
pub struct InotifyFile(pub Rc<Inotify>);

impl File for InotifyFile {
    fn read(&self, _: &Cx, _: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let mut events = self.0.events.borrow_mut();
        let mut n = 0;
        while let Some(event) = events.front() {
            let size = event.size();
            let Some(slot) = buf.get_mut(n..n + size) else {
                break;
            };
            let header: [u8; 16] = Layout::new()
                .u32(0, event.wd as u32)
                .u32(4, event.mask)
                .u32(8, event.cookie)
                .u32(12, (size - 16) as u32)
                .done();
            slot.fill(0);
            slot[..16].copy_from_slice(&header);
            slot[16..16 + event.name.len()].copy_from_slice(&event.name);
            n += size;
            events.pop_front();
        }
        match n {
            0 if events.is_empty() => Err(Errno::EAGAIN),
            0 => Err(Errno::EINVAL),
            n => Ok(n),
        }
    }

    fn poll(&self, table: &mut PollTable) -> u32 {
        table.add(&self.0.wait);
        if self.0.events.borrow().is_empty() {
            0
        } else {
            IN
        }
    }

    fn ioctl(&self, cx: &Cx, request: u32, arg: u64) -> SysResult {
        if request != FIONREAD {
            return Err(Errno::ENOTTY.into());
        }
        let n: usize = self.0.events.borrow().iter().map(Event::size).sum();
        cx.write_mem(arg, &(n as u32).to_le_bytes())?;
        Ok(0)
    }

    fn link_name(&self) -> Vec<u8> {
        b"anon_inode:inotify".to_vec()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
