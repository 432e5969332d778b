//! procfs, as seen from a PID namespace.

mod pid;
mod pid_files;
mod system;

pub use pid::Described;
pub use system::sysctl;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bottleship_abi::Errno;
use bottleship_abi::mode::{S_IFDIR, S_IFLNK, S_IFREG};
use bottleship_vfs::{FileSystem, InodeRef, Path, Result};

use super::node::{
    Accept, Common, Directory, Generate, Generated, GeneratedDir, GeneratedEntry, GeneratedFile,
    GeneratedLink,
};
use crate::kernel::Inner;
use crate::kernel::ns::PidNs;
use crate::syscall::Cx;

const PROC_MAGIC: u64 = 0x9fa0;

/// A procfs of this namespace.
pub struct Proc {
    k: std::rc::Weak<Inner>,
    ns: Rc<PidNs>,
    dev: u64,
    /// Nodes that don't belong to a process, by path: the same node each time.
    fixed: RefCell<BTreeMap<&'static str, InodeRef>>,
}

/// Makes a procfs.
pub fn make(k: &Rc<Inner>, ns: Rc<PidNs>) -> Rc<dyn FileSystem> {
    let dev = k.clock.new_dev();
    let proc = Rc::new(Proc {
        k: Rc::downgrade(k),
        ns,
        dev,
        fixed: RefCell::default(),
    });
    let root = proc.dir(1, Box::new(Root(proc.clone())));
    Rc::new(Generated {
        root,
        kind: "proc",
        magic: PROC_MAGIC,
        dev,
        options: String::new(),
    })
}

impl Proc {
    fn kernel(&self) -> Result<Rc<Inner>> {
        self.k.upgrade().ok_or(Errno::ENOENT)
    }

    fn common(&self, ino: u64, mode: u32) -> Common {
        Common {
            kernel: self.k.clone(),
            dev: self.dev,
            ino,
            mode,
            uid: 0,
            gid: 0,
        }
    }

    fn dir(&self, ino: u64, contents: Box<dyn Directory>) -> InodeRef {
        Rc::new(GeneratedDir {
            common: self.common(ino, 0o555),
            contents,
        })
    }

    fn file(&self, ino: u64, mode: u32, generate: Generate, accept: Option<Accept>) -> InodeRef {
        Rc::new(GeneratedFile {
            common: self.common(ino, mode),
            generate: Some(generate),
            accept,
        })
    }

    fn link(&self, ino: u64, target: impl Fn() -> Result<Vec<u8>> + 'static) -> InodeRef {
        Rc::new(GeneratedLink {
            common: self.common(ino, 0o777),
            target: Box::new(target),
            magic: None,
        })
    }

    fn magic_link(
        &self,
        common: Common,
        target: impl Fn() -> Result<Vec<u8>> + 'static,
        to: impl Fn() -> Result<Path> + 'static,
    ) -> InodeRef {
        Rc::new(GeneratedLink {
            common,
            target: Box::new(target),
            magic: Some(Box::new(to)),
        })
    }

    /// The number of whoever makes the current system call, in this procfs's namespace.
    fn current(&self, thread: bool) -> Result<Vec<u8>> {
        let task = self.kernel()?.current().ok_or(Errno::ENOENT)?;
        let pid = task.process.pid_in(&self.ns);
        if pid == 0 {
            return Err(Errno::ENOENT);
        }
        Ok(if thread {
            format!("{pid}/task/{}", task.tid_in(&self.ns))
        } else {
            pid.to_string()
        }
        .into_bytes())
    }
}

struct Root(Rc<Proc>);

/// Inode numbers below this are those of fixed nodes.
const FIRST_PID_INO: u64 = 1 << 20;

impl Directory for Root {
    fn entries(&self) -> Vec<GeneratedEntry> {
        let mut entries: Vec<GeneratedEntry> = system::names("")
            .into_iter()
            .map(|(name, kind, ino)| GeneratedEntry {
                name: name.as_bytes().to_vec(),
                kind,
                ino,
            })
            .collect();
        for (i, name) in ["self", "thread-self"].into_iter().enumerate() {
            entries.push(GeneratedEntry {
                name: name.as_bytes().to_vec(),
                kind: S_IFLNK,
                ino: 2 + i as u64,
            });
        }
        for (number, _) in self.0.ns.processes() {
            entries.push(GeneratedEntry {
                name: number.to_string().into_bytes(),
                kind: S_IFDIR,
                ino: FIRST_PID_INO + u64::from(number) * 1024,
            });
        }
        entries
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        let proc = &self.0;
        match name {
            b"self" | b"thread-self" => {
                let (weak, thread) = (Rc::downgrade(proc), name != b"self");
                let target = move || weak.upgrade().ok_or(Errno::ENOENT)?.current(thread);
                Ok(proc.link(2 + u64::from(thread), target))
            }
            name if name[0].is_ascii_digit() => pid::lookup(proc, name),
            name => system::lookup(proc, "", name),
        }
    }
}

/// A file made of text.
fn text(f: impl Fn(&Cx) -> std::result::Result<String, Errno> + 'static) -> Generate {
    Rc::new(move |cx| f(cx).map(String::into_bytes))
}

const DIR: u32 = S_IFDIR;
const FILE: u32 = S_IFREG;
