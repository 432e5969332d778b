//! devpts: `/dev/pts`.

use std::any::Any;
use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::mode::{S_IFCHR, S_IFDIR, makedev};
use bottleship_vfs::{
    Attr, DirEntry, FIRST_COOKIE, FileSystem, Inode, InodeRef, Result, SetAttr, Time,
};

use super::node::Generated;
use crate::kernel::Inner;
use crate::kernel::ns::Namespaces;
use crate::kernel::tty::{PtyTable, Tty};

const DEVPTS_MAGIC: u64 = 0x1cd1;

/// The `/dev/pts` of these namespaces.
pub fn make(k: &Rc<Inner>, ns: &Namespaces) -> Rc<dyn FileSystem> {
    let dev = k.clock.new_dev();
    let root = Rc::new(Root {
        ptys: ns.ptys.clone(),
        dev,
        made: k.clock.now(),
    });
    Rc::new(Generated {
        root,
        kind: "devpts",
        magic: DEVPTS_MAGIC,
        dev,
        options: "gid=5,mode=620,ptmxmode=666".to_owned(),
    })
}

struct Root {
    ptys: Rc<PtyTable>,
    dev: u64,
    made: Time,
}

impl Root {
    fn node(&self, tty: Option<Rc<Tty>>) -> InodeRef {
        Rc::new(Node {
            tty,
            dev: self.dev,
            made: self.made,
        })
    }
}

impl Inode for Root {
    fn attr(&self) -> Result<Attr> {
        Ok(Attr {
            ino: 1,
            dev: self.dev,
            mode: S_IFDIR | 0o755,
            nlink: 2,
            atime: self.made,
            mtime: self.made,
            ctime: self.made,
            ..Attr::default()
        })
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        if name == b"ptmx" {
            return Ok(self.node(None));
        }
        let number = std::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse().ok())
            .ok_or(Errno::ENOENT)?;
        Ok(self.node(Some(self.ptys.get(number).ok_or(Errno::ENOENT)?)))
    }

    fn readdir(&self, cookie: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        if cookie < FIRST_COOKIE
            && !emit(DirEntry {
                ino: 2,
                kind: S_IFCHR,
                name: b"ptmx",
                cookie: FIRST_COOKIE,
            })
        {
            return Ok(());
        }
        for number in self.ptys.list() {
            let at = FIRST_COOKIE + 1 + u64::from(number);
            let name = number.to_string();
            let ino = u64::from(number) + 3;
            if at > cookie
                && !emit(DirEntry {
                    ino,
                    kind: S_IFCHR,
                    name: name.as_bytes(),
                    cookie: at,
                })
            {
                break;
            }
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `ptmx`, or a slave.
struct Node {
    tty: Option<Rc<Tty>>,
    dev: u64,
    made: Time,
}

impl Inode for Node {
    fn attr(&self) -> Result<Attr> {
        let base = Attr {
            dev: self.dev,
            nlink: 1,
            atime: self.made,
            mtime: self.made,
            ctime: self.made,
            ..Attr::default()
        };
        Ok(match &self.tty {
            None => Attr {
                ino: 2,
                mode: S_IFCHR | 0o666,
                rdev: makedev(5, 2),
                ..base
            },
            Some(tty) => Attr {
                ino: u64::from(tty.number) + 3,
                mode: S_IFCHR | tty.mode.get(),
                uid: tty.owner.get().0,
                gid: tty.owner.get().1,
                rdev: makedev(136, tty.number),
                ..base
            },
        })
    }

    fn set_attr(&self, set: &SetAttr) -> Result<()> {
        if let Some(tty) = &self.tty {
            let (uid, gid) = tty.owner.get();
            tty.owner
                .set((set.uid.unwrap_or(uid), set.gid.unwrap_or(gid)));
            tty.mode.set(set.mode.unwrap_or(tty.mode.get()));
        }
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
