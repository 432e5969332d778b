//! `execve`: finding out what a file is, and turning a task into it.

use std::rc::Rc;

use bottleship_abi::mm::PAGE_SIZE;
use bottleship_abi::mode::{S_ISGID, S_ISUID};
use bottleship_abi::process::*;
use bottleship_abi::{Errno, fs::PATH_MAX};
use bottleship_vfs::{Access, CapSet, Creds, MountFlags, Path, permission};
use bottleship_x86::{Cpu, reg};

use super::elf::Elf;
use super::load::load;
use super::stack::{Contents, build, strings_size};
use crate::kernel::builtin::Sys;
use crate::kernel::task::{Body, State, Task};
use crate::kernel::{Builtin, Inner};
use crate::mm::{Mm, PIE_BASE};
use crate::syscall::Cx;

/// What a file turned out to be.
pub struct ExecFile {
    /// The file whose code runs: for a script, its interpreter.
    pub path: Path,
    pub argv: Vec<Vec<u8>>,
    /// As it was named.
    pub name: Vec<u8>,
    kind: Kind,
    /// The file's set-user-id and set-group-id owners.
    suid: (Option<u32>, Option<u32>),
}

enum Kind {
    Machine {
        elf: Elf,
        interp: Option<(Path, Elf)>,
    },
    Builtin(Builtin),
}

/// Scripts may name scripts as interpreters this often.
const MAX_SCRIPTS: u32 = 5;
/// What the kernel looks at to tell a file's kind.
const HEAD: usize = 256;
/// The longest argument (`MAX_ARG_STRLEN`).
const MAX_STRING: usize = 32 * PAGE_SIZE as usize;
/// Room for arguments and environment altogether.
const MAX_STRINGS: u64 = 6 << 20;

/// Finds out what executing `path` would run. `resolve` finds interpreters.
pub fn find(
    k: &Inner,
    creds: &Creds,
    mut path: Path,
    name: &[u8],
    mut argv: Vec<Vec<u8>>,
    resolve: &dyn Fn(&[u8]) -> Result<Path, Errno>,
) -> Result<ExecFile, Errno> {
    let mut name = name.to_vec();
    for _ in 0..MAX_SCRIPTS {
        let attr = path.attr()?;
        if !attr.is_file() {
            return Err(Errno::EACCES);
        }
        if path.mount.flags().contains(MountFlags::NOEXEC) {
            return Err(Errno::EACCES);
        }
        permission(&attr, creds, Access::EXEC)?;
        let mut head = [0; HEAD];
        let n = path.inode().read_at(0, &mut head)?;
        let head = &head[..n];
        if let Some(line) = head.strip_prefix(b"#!") {
            let (interpreter, argument) = script_line(line, n == HEAD)?;
            if let Some(builtin) = interpreter.strip_prefix(b"/builtin/") {
                let program = k
                    .builtins
                    .borrow()
                    .get(builtin)
                    .cloned()
                    .ok_or(Errno::ENOENT)?;
                return Ok(ExecFile {
                    path,
                    argv,
                    name,
                    kind: Kind::Builtin(program),
                    suid: (None, None),
                });
            }
            let mut new = vec![interpreter.to_vec()];
            new.extend(argument.map(<[u8]>::to_vec));
            new.push(name);
            new.extend(argv.into_iter().skip(1));
            argv = new;
            path = resolve(interpreter)?;
            name = interpreter.to_vec();
            continue;
        }
        let nosuid = path.mount.flags().contains(MountFlags::NOSUID);
        let uid = (attr.mode & S_ISUID != 0 && !nosuid).then_some(attr.uid);
        let gid =
            (attr.mode & S_ISGID != 0 && attr.mode & 0o010 != 0 && !nosuid).then_some(attr.gid);
        let elf = parse(&path)?;
        let interp = match elf.interp {
            Some((offset, len)) => {
                let mut text = vec![0; len as usize];
                if path.inode().read_at(offset, &mut text)? < text.len() || text.pop() != Some(0) {
                    return Err(Errno::ENOEXEC);
                }
                let found = resolve(&text)?;
                permission(&found.attr()?, creds, Access::EXEC)?;
                let parsed = parse(&found).map_err(|e| {
                    if e == Errno::ENOEXEC {
                        Errno::ELIBBAD
                    } else {
                        e
                    }
                })?;
                Some((found, parsed))
            }
            None => None,
        };
        return Ok(ExecFile {
            path,
            argv,
            name,
            kind: Kind::Machine { elf, interp },
            suid: (uid, gid),
        });
    }
    Err(Errno::ELOOP)
}

fn parse(path: &Path) -> Result<Elf, Errno> {
    let inode = path.inode();
    Elf::parse(|offset, buf| inode.read_at(offset, buf))
}

/// Interpreter and the one argument of `#!`'s line.
fn script_line(line: &[u8], cut_off: bool) -> Result<(&[u8], Option<&[u8]>), Errno> {
    let end = line.iter().position(|&b| b == b'\n');
    let text = &line[..end.unwrap_or(line.len())];
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | 0);
    let start = text.iter().position(|b| !blank(b)).ok_or(Errno::ENOEXEC)?;
    let text = &text[start..];
    let stop = text.iter().position(blank);
    if end.is_none() && cut_off && stop.is_none() {
        return Err(Errno::ENOEXEC);
    }
    let (name, rest) = text.split_at(stop.unwrap_or(text.len()));
    let from = rest.iter().position(|b| !blank(b));
    let to = rest.iter().rposition(|b| !blank(b));
    let argument = from.zip(to).map(|(from, to)| &rest[from..=to]);
    if name.is_empty() || name.len() >= PATH_MAX {
        Err(Errno::ENOEXEC)
    } else {
        Ok((name, argument))
    }
}

/// Replaces what `task` runs. After the point of no return a failure kills the process.
pub fn exec(
    k: &Rc<Inner>,
    task: &Rc<Task>,
    file: ExecFile,
    envp: Vec<Vec<u8>>,
) -> Result<(), Errno> {
    if file
        .argv
        .iter()
        .chain(&envp)
        .any(|string| string.len() >= MAX_STRING)
    {
        return Err(Errno::E2BIG);
    }
    let stack_limit = task.process.limit(RLIMIT_STACK);
    if strings_size(&file.argv, &envp) > MAX_STRINGS.min((stack_limit / 4).max(128 * 1024)) {
        return Err(Errno::E2BIG);
    }
    let creds = new_creds(task, &file);
    let secure = creds.euid != creds.uid || creds.egid != creds.gid;
    let comm = basename(&file.name).to_vec();
    match file.kind {
        Kind::Machine { elf, interp } => {
            let cgroup = task.process.cgroup.borrow().clone();
            let mm = Mm::new(&k.code, cgroup);
            mm.stack_limit.set(stack_limit);
            mm.as_limit.set(task.process.limit(RLIMIT_AS));
            let program = load(&mm, &elf, &file.path, Some(PIE_BASE))?;
            let interpreter = match &interp {
                Some((path, elf)) => Some(load(&mm, elf, path, None)?),
                None => None,
            };
            let heap = crate::mm::page_up(program.end).ok_or(Errno::ENOMEM)?;
            mm.brk.set((heap, heap));
            let mut random = [0; 16];
            k.rng.borrow_mut().fill(&mut random);
            let auxv = vec![
                (AT_HWCAP, 0x0789_fbff),
                (AT_PAGESZ, PAGE_SIZE),
                (AT_CLKTCK, bottleship_abi::time::USER_HZ),
                (AT_PHDR, program.phdr),
                (AT_PHENT, 56),
                (AT_PHNUM, u64::from(elf.phnum)),
                (AT_BASE, interpreter.as_ref().map_or(0, |i| i.bias)),
                (AT_FLAGS, 0),
                (AT_ENTRY, program.entry),
                (AT_UID, u64::from(creds.uid)),
                (AT_EUID, u64::from(creds.euid)),
                (AT_GID, u64::from(creds.gid)),
                (AT_EGID, u64::from(creds.egid)),
                (AT_SECURE, u64::from(secure)),
                (AT_HWCAP2, 0),
            ];
            let contents = Contents {
                argv: &file.argv,
                envp: &envp,
                execfn: &file.name,
                random,
                auxv,
                executable: elf.exec_stack,
            };
            let sp = build(&mm, &contents)?;
            let mut cpu = Box::new(Cpu::new());
            cpu.rip = interpreter.map_or(program.entry, |i| i.entry);
            cpu.gpr[reg::RSP] = sp;
            mm.exe.replace(Some(file.path.clone()));
            become_new(k, task, creds, comm);
            task.mm.replace(Some(mm));
            task.body.replace(Body::Machine(cpu));
        }
        Kind::Builtin(program) => {
            become_new(k, task, creds, comm);
            task.mm.replace(None);
            let future = program(Sys::new(k, task, file.argv.clone(), envp.clone()));
            task.body.replace(Body::Builtin(future));
            k.sched.enqueue(task);
        }
    }
    let process = &task.process;
    process.exe.replace(Some(file.path));
    process.cmdline.replace(file.argv);
    process.environ.replace(envp);
    process.dumpable.set(!secure);
    if !process.released.replace(true) {
        process.release_wait.wake();
    }
    Ok(())
}

/// What changes with any exec.
fn become_new(k: &Rc<Inner>, task: &Rc<Task>, creds: Creds, comm: Vec<u8>) {
    let process = &task.process;
    for other in process.tasks() {
        if !Rc::ptr_eq(&other, task) {
            k.exit_task(&other, crate::kernel::task::ExitStatus::Code(0));
        }
    }
    task.state.set(State::Runnable);
    // Tables shared with other processes (vfork, CLONE_FILES) are unshared.
    let files = task.files();
    if Rc::strong_count(&files) > 2 {
        task.files.replace(Rc::new(files.fork()));
    }
    drop(files);
    let closed = task.files.borrow().take_cloexec();
    drop(closed);
    let sighand = task.sighand.borrow().fork();
    sighand.reset_for_exec();
    task.sighand.replace(Rc::new(sighand));
    task.altstack.set((0, 0, 0));
    task.clear_child_tid.set(0);
    task.robust_list.set(0);
    task.keep_caps.set(false);
    task.creds.replace(Rc::new(creds));
    task.comm.replace(comm.into_iter().take(15).collect());
    process.timers.borrow_mut().clear();
    process.execed.set(true);
}

/// Credentials after exec (capabilities(7), "Transformation of capabilities during execve").
fn new_creds(task: &Task, file: &ExecFile) -> Creds {
    let old = task.creds.borrow().clone();
    let mut new = (*old).clone();
    let privileged = !task.no_new_privs.get();
    if privileged {
        if let Some(uid) = file.suid.0 {
            new.euid = uid;
        }
        if let Some(gid) = file.suid.1 {
            new.egid = gid;
        }
    }
    let changed = new.euid != old.euid || new.egid != old.egid;
    new.suid = new.euid;
    new.sgid = new.egid;
    new.fsuid = new.euid;
    new.fsgid = new.egid;
    let caps = &mut new.caps;
    if changed {
        caps.ambient = CapSet::empty();
    }
    let becomes_root = new.euid == 0 || new.uid == 0;
    let noroot = task.securebits.get() & 1 != 0;
    if becomes_root && !noroot {
        let permitted = caps.inheritable | caps.bounding;
        let permitted = if privileged {
            permitted
        } else {
            permitted & (old.caps.permitted | caps.inheritable)
        };
        caps.permitted = permitted | caps.ambient;
        caps.effective = if new.euid == 0 {
            caps.permitted
        } else {
            caps.ambient
        };
    } else {
        caps.permitted = caps.ambient;
        caps.effective = caps.ambient;
    }
    new
}

fn basename(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}

/// Reads a NULL-terminated array of strings from the caller's memory.
pub(crate) fn read_strings(cx: &Cx, mut at: u64) -> Result<Vec<Vec<u8>>, Errno> {
    let mut strings = Vec::new();
    let mut size = 0;
    if at == 0 {
        return Ok(strings);
    }
    let mm = cx.t.mm()?;
    loop {
        let pointer = cx.read_u64(at)?;
        if pointer == 0 {
            return Ok(strings);
        }
        let string = mm.read_cstr(pointer, MAX_STRING).map_err(|e| match e {
            Errno::ENAMETOOLONG => Errno::E2BIG,
            e => e,
        })?;
        size += string.len() as u64 + 9;
        if size > MAX_STRINGS {
            return Err(Errno::E2BIG);
        }
        strings.push(string);
        at = at.wrapping_add(8);
    }
}

#[cfg(test)]
mod tests {
    use super::script_line;

    #[test]
    fn script_lines() {
        assert_eq!(
            script_line(b"/bin/sh\nx", false),
            Ok((&b"/bin/sh"[..], None))
        );
        assert_eq!(
            script_line(b" /usr/bin/env  -S a b \t\n", false),
            Ok((&b"/usr/bin/env"[..], Some(&b"-S a b"[..])))
        );
        assert!(script_line(b"   \n", false).is_err());
        assert!(script_line(&[b'a'; 254], true).is_err());
    }
}
