//! A kernel with a root file system taken from this machine, for tests and the `run` example.
#![allow(dead_code)] // Each test uses a part of it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use bottleship_linux::{HostReader, Kernel, KernelConfig, ProcessSpec, RunState, Stdio};
use bottleship_vfs::{
    CreatePerm, Creds, Errno, InodeRef, MountFlags, MountNs, NewNode, Quota, ResolveFlags, SetAttr,
    Time, Tmpfs, Walk,
};

/// What a run left.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub code: i32,
}

/// A kernel and the means to fill its file system.
pub struct Machine {
    kernel: Kernel,
    mounts: Rc<MountNs>,
    imported: BTreeSet<PathBuf>,
    /// Where commands start.
    pub cwd: Vec<u8>,
    pub envp: Vec<Vec<u8>>,
    pub user: Creds,
    /// Give up after this much real time.
    pub limit: std::time::Duration,
    started: std::time::Instant,
}

impl Machine {
    pub fn new() -> Machine {
        let kernel = Kernel::new(KernelConfig {
            hostname: "box".into(),
            ..KernelConfig::default()
        });
        let clock = kernel.clock();
        clock.set(Time::from_nanos(realtime().into()));
        let perm = CreatePerm {
            mode: 0o755,
            uid: 0,
            gid: 0,
        };
        let root = Tmpfs::with_root(&clock, Quota::unlimited(), perm).unwrap();
        let mounts = MountNs::new(root, "rootfs", MountFlags::empty());
        kernel.set_host_mounts(mounts.clone());
        let machine = Machine {
            kernel,
            mounts,
            imported: BTreeSet::new(),
            cwd: b"/".to_vec(),
            envp: vec![
                b"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_vec(),
                b"HOME=/root".to_vec(),
            ],
            user: Creds::root(),
            limit: std::time::Duration::from_secs(120),
            started: std::time::Instant::now(),
        };
        for (dir, mode) in [
            ("dev", 0o755),
            ("proc", 0o555),
            ("sys", 0o555),
            ("tmp", 0o1777),
            ("root", 0o700),
            ("etc", 0o755),
        ] {
            machine.mkdir(dir, mode);
        }
        let ns = machine.kernel.host_ns();
        let at = |path: &str| machine.resolve(path.as_bytes()).unwrap();
        machine.kernel.populate_dev(at("/dev").inode()).unwrap();
        for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devpts", "/dev/pts")] {
            let Ok(fs) = machine.kernel.filesystem(&ns, kind) else {
                continue;
            };
            machine
                .mounts
                .mount(&at(place), fs, kind, MountFlags::empty())
                .unwrap();
        }
        machine
    }

    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub fn trace(&mut self) {
        self.kernel
            .set_trace(Some(Rc::new(|line| eprintln!("{line}"))));
    }

    pub fn resolve(&self, path: &[u8]) -> Result<bottleship_vfs::Path, Errno> {
        let root = self.mounts.root();
        let creds = Creds::root();
        Walk {
            root: &root,
            cwd: &root,
            creds: &creds,
        }
        .resolve(path, ResolveFlags::FOLLOW)
    }

    fn mkdir(&self, path: &str, mode: u32) {
        self.dir(Path::new(path), mode).unwrap();
    }

    /// The directory at this path, made with those above it.
    fn dir(&self, path: &Path, mode: u32) -> Result<InodeRef, Errno> {
        let mut at = self.mounts.root().inode().clone();
        for name in path.iter().filter(|name| *name != OsStr::new("/")) {
            let perm = CreatePerm {
                mode,
                uid: 0,
                gid: 0,
            };
            at = match at.lookup(name.as_bytes()) {
                Ok(found) if found.attr()?.is_symlink() => {
                    let target = found.readlink()?;
                    let target = Path::new(OsStr::from_bytes(&target)).to_path_buf();
                    self.dir(&Path::new("/").join(target), 0o755)?
                }
                Ok(found) => found,
                Err(_) => at.create(name.as_bytes(), NewNode::Dir, perm)?,
            };
        }
        Ok(at)
    }

    /// Puts a file into the root file system.
    pub fn write(&self, path: &str, contents: &[u8], mode: u32) {
        let path = Path::new(path);
        let dir = self.dir(path.parent().unwrap(), 0o755).unwrap();
        let name = path.file_name().unwrap().as_bytes();
        let _ = dir.unlink(name);
        let file = dir
            .create(
                name,
                NewNode::File,
                CreatePerm {
                    mode,
                    uid: 0,
                    gid: 0,
                },
            )
            .unwrap();
        assert_eq!(file.write_at(0, contents).unwrap(), contents.len());
    }

    /// Makes a directory for a test to work in.
    pub fn make_dir(&self, path: &Path, uid: u32, gid: u32) {
        let dir = self.dir(path, 0o755).unwrap();
        dir.set_attr(&SetAttr {
            uid: Some(uid),
            gid: Some(gid),
            mode: Some(0o755),
            ..SetAttr::default()
        })
        .unwrap();
    }

    /// Copies a file or a directory of the host, links included, to the same place.
    pub fn import(&mut self, path: &Path) -> io::Result<()> {
        if !self.imported.insert(path.to_path_buf()) {
            return Ok(());
        }
        // The same file must not come twice by different names of its directory.
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            self.import_links_above(path)?;
            let real = fs::canonicalize(parent)?.join(name);
            if real != path {
                return self.import(&real);
            }
        }
        let meta = fs::symlink_metadata(path)?;
        let fail = |errno: Errno| io::Error::other(format!("{}: {errno}", path.display()));
        let parent = path.parent().unwrap_or(Path::new("/"));
        let dir = self.dir(parent, 0o755).map_err(fail)?;
        let Some(name) = path.file_name() else {
            return Ok(());
        };
        let name = name.as_bytes();
        let perm = CreatePerm {
            mode: meta.permissions().mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
        };
        if meta.is_symlink() {
            let target = fs::read_link(path)?;
            let _ = dir.create(name, NewNode::Symlink(target.as_os_str().as_bytes()), perm);
            let resolved = parent.join(target);
            if resolved.exists() {
                self.import(&normalize(&resolved))?;
            }
        } else if meta.is_dir() {
            let _ = dir.create(name, NewNode::Dir, perm);
            let mut entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
            entries.sort_by_key(|entry| entry.file_name());
            for entry in entries {
                self.import(&entry.path())?;
            }
        } else if meta.is_file() {
            let file = dir.create(name, NewNode::File, perm).map_err(fail)?;
            let contents = fs::read(path)?;
            file.write_at(0, &contents).map_err(fail)?;
            let time = Time {
                sec: meta.mtime(),
                nsec: meta.mtime_nsec() as u32,
            };
            file.set_attr(&SetAttr {
                mtime: Some(time),
                atime: Some(time),
                ..SetAttr::default()
            })
            .map_err(fail)?;
        }
        Ok(())
    }

    /// `/lib64 -> usr/lib64` and the like.
    fn import_links_above(&mut self, path: &Path) -> io::Result<()> {
        let mut above = PathBuf::from("/");
        for name in path.parent().into_iter().flat_map(Path::iter).skip(1) {
            above.push(name);
            if fs::symlink_metadata(&above)?.is_symlink() && !self.imported.contains(&above) {
                self.imported.insert(above.clone());
                let target = fs::read_link(&above)?;
                let dir = above.parent().unwrap();
                let perm = CreatePerm {
                    mode: 0o777,
                    uid: 0,
                    gid: 0,
                };
                let at = self
                    .dir(dir, 0o755)
                    .map_err(|e| io::Error::other(e.to_string()))?;
                self.dir(&normalize(&dir.join(&target)), 0o755)
                    .map_err(|e| io::Error::other(e.to_string()))?;
                let _ = at.create(
                    above.file_name().unwrap().as_bytes(),
                    NewNode::Symlink(target.as_os_str().as_bytes()),
                    perm,
                );
            }
        }
        Ok(())
    }

    /// Copies a program and what it is linked with.
    pub fn import_program(&mut self, program: &[u8]) -> io::Result<()> {
        let name = Path::new(OsStr::from_bytes(program));
        let path = if program.contains(&b'/') {
            std::path::absolute(name)?
        } else {
            let found = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
                .iter()
                .map(|dir| Path::new(dir).join(name))
                .find(|path| path.exists());
            found.ok_or_else(|| io::Error::other("not found"))?
        };
        self.import(&path)?;
        let listed = std::process::Command::new("ldd").arg(&path).output();
        if let Ok(listed) = listed {
            for word in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
                if word.starts_with('/') {
                    self.import(Path::new(word.trim_end_matches(':')))?;
                }
            }
        }
        Ok(())
    }

    /// Runs a command to its end.
    pub fn run(
        &mut self,
        argv: &[Vec<u8>],
        stdin: &[u8],
        mut show: impl FnMut(&[u8], &[u8]),
    ) -> Output {
        let (writer, input) = self.kernel.pipe_to_guest();
        let (out, stdout) = self.kernel.pipe_from_guest();
        let (err, stderr) = self.kernel.pipe_from_guest();
        self.tick();
        let mut spec = ProcessSpec::new(argv.to_vec());
        spec.envp = self.envp.clone();
        spec.cwd = self.cwd.clone();
        spec.user = self.user.clone();
        spec.stdio = [input, stdout, stderr];
        let spawned = self
            .kernel
            .spawn(&self.kernel.host_ns(), &self.kernel.root_cgroup(), spec);
        let process = match spawned {
            Ok(process) => process,
            Err(error) => {
                return Output {
                    stdout: Vec::new(),
                    stderr: format!("{error}\n").into_bytes(),
                    code: 127,
                };
            }
        };
        let mut writer = Some(writer);
        let mut rest = stdin;
        let mut output = Output {
            stdout: Vec::new(),
            stderr: Vec::new(),
            code: 0,
        };
        let begin = std::time::Instant::now();
        loop {
            self.tick();
            if let Some(end) = &writer {
                while !rest.is_empty() {
                    match end.try_write(rest) {
                        Ok(n) => rest = &rest[n..],
                        Err(Errno::EAGAIN) => break,
                        Err(_) => rest = &[],
                    }
                }
                if rest.is_empty() {
                    writer = None;
                }
            }
            let state = self.kernel.run(2_000_000);
            let (new_out, new_err) = (drain(&out), drain(&err));
            show(&new_out, &new_err);
            output.stdout.extend(&new_out);
            output.stderr.extend(&new_err);
            if let Some(status) = process.exit_status() {
                output.code = status.code();
                return output;
            }
            if begin.elapsed() > self.limit {
                process.kill(bottleship_linux::abi::Signal::SIGKILL);
                output.stderr.extend(
                    format!("{}: took longer than {:?}\n", show_argv(argv), self.limit).bytes(),
                );
                output.code = -1;
                return output;
            }
            match state {
                RunState::Runnable => {}
                RunState::Sleeping { until_monotonic_ns } => {
                    let now = self.started.elapsed().as_nanos() as u64;
                    let wait = until_monotonic_ns.saturating_sub(now).min(50_000_000);
                    std::thread::sleep(std::time::Duration::from_nanos(wait));
                }
                RunState::Idle
                    if new_out.is_empty() && new_err.is_empty() && !self.kernel.wants_to_run() =>
                {
                    output
                        .stderr
                        .extend(format!("{}: everything waits\n", show_argv(argv)).bytes());
                    output.code = -2;
                    return output;
                }
                RunState::Idle => {}
            }
        }
    }

    fn tick(&self) {
        self.kernel
            .set_time(realtime(), self.started.elapsed().as_nanos() as u64 + 1);
    }
}

fn show_argv(argv: &[Vec<u8>]) -> String {
    argv.iter()
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn drain(reader: &HostReader) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 65536];
    while let Ok(n @ 1..) = reader.try_read(&mut buf) {
        all.extend_from_slice(&buf[..n]);
    }
    all
}

fn realtime() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos() as u64
}

/// Resolves `..` by name.
fn normalize(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

/// Splits a command line at blanks, for tests' convenience.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    line.split_whitespace()
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// No input.
pub const NOTHING: Stdio = Stdio::Null;

/// A host path as bytes.
pub fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().to_owned().into_vec()
}
