//! The same command lines under the emulator and on the host: output, exit code and the resulting tree must agree.
//!
//! Programs come from the host; what it doesn't have is skipped, with a message.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bottleship_linux::abi::mode::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};
use bottleship_vfs::{Creds, InodeRef};
use support::{Machine, Output};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// A file of a tree: its mode, and contents or target.
type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

fn on_host(dir: &Path, command: &str) -> Output {
    // A job in the background of a script ignores SIGINT, and so would all that it starts.
    let output = Command::new("env")
        .args(["--default-signal", "/bin/bash", "-c", command])
        .current_dir(dir)
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    use std::os::unix::process::ExitStatusExt;
    let code = output
        .status
        .code()
        .or(output.status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1);
    Output {
        stdout: output.stdout,
        stderr: output.stderr,
        code,
    }
}

fn host_tree(root: &Path, at: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(at).expect("a directory") {
        let path = entry.expect("an entry").path();
        let meta = fs::symlink_metadata(&path).expect("a file");
        let contents = if meta.is_symlink() {
            fs::read_link(&path)
                .expect("a link")
                .as_os_str()
                .as_bytes()
                .to_vec()
        } else if meta.is_file() {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        let name = path
            .strip_prefix(root)
            .expect("below the root")
            .to_path_buf();
        tree.insert(name, (meta.mode(), contents));
        if meta.is_dir() {
            host_tree(root, &path, tree);
        }
    }
}

fn guest_tree(at: &Path, inode: &InodeRef, tree: &mut Tree) {
    let mut names = Vec::new();
    inode
        .readdir(0, &mut |entry| {
            names.push(entry.name.to_vec());
            true
        })
        .expect("a directory");
    for name in names {
        let child = inode.lookup(&name).expect("an entry");
        let attr = child.attr().expect("attributes");
        let path = at.join(std::ffi::OsStr::from_bytes(&name));
        let contents = match attr.mode & S_IFMT {
            S_IFREG => {
                let mut bytes = vec![0; attr.size as usize];
                let n = child.read_at(0, &mut bytes).expect("contents");
                bytes.truncate(n);
                bytes
            }
            S_IFLNK => child.readlink().expect("a link"),
            _ => Vec::new(),
        };
        tree.insert(path.clone(), (attr.mode, contents));
        if attr.mode & S_IFMT == S_IFDIR {
            guest_tree(&path, &child, tree);
        }
    }
}

fn show(output: &Output, tree: &Tree) -> String {
    let mut text = format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}--- tree\n",
        output.code,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for (path, (mode, contents)) in tree {
        let shown = String::from_utf8_lossy(&contents[..contents.len().min(60)]).into_owned();
        text.push_str(&format!(
            "{mode:o} {} {} {shown:?}\n",
            path.display(),
            contents.len()
        ));
    }
    text
}

/// What programs need besides themselves and the libraries that they are linked with.
const NEEDS: &[(&str, &[&str])] = &[
    (
        "perl",
        &[
            "/usr/lib/x86_64-linux-gnu/perl-base",
            "/usr/share/perl/5.36",
            "/usr/lib/x86_64-linux-gnu/perl/5.36",
        ],
    ),
    (
        "python3",
        &["/usr/lib/python3.11", "/lib/x86_64-linux-gnu/libgcc_s.so.1"],
    ),
    ("git", &["/usr/lib/git-core/git"]),
    ("getent", &["/etc/hosts"]),
    (
        "openssl",
        &["/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"],
    ),
];

/// Imports a file or a tree, with the libraries that what is in it is linked with.
fn import_all(machine: &mut Machine, path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            // Tests and what only development needs.
            let left_out = ["test", "idlelib", "config-3.11-x86_64-linux-gnu", "CORE"];
            if path.is_dir() && left_out.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            import_all(machine, &path)?;
        }
        Ok(())
    } else if path.extension().is_some_and(|extension| extension == "so") {
        machine.import_program(path.as_os_str().as_bytes())
    } else {
        machine.import(path)
    }
}

#[test]
fn commands_behave_as_on_the_host() {
    let only = std::env::var("BOTTLESHIP_COMPARE").ok();
    let base = std::env::temp_dir().join(format!("bottleship-compare-{}", std::process::id()));
    let list = include_str!("host_compare.txt");
    let mut machine = Machine::new();
    machine.envp = vec![format!("PATH={PATH}").into_bytes(), b"HOME=/root".to_vec()];
    let me = fs::metadata("/proc/self").expect("procfs");
    if me.uid() != 0 {
        machine.user = Creds::user(me.uid(), me.gid());
    }
    if let Err(error) = machine.import_program(b"bash") {
        println!("skipped: no bash here ({error})");
        return;
    }
    for file in [
        "/etc/passwd",
        "/etc/group",
        "/etc/hostname",
        "/etc/nsswitch.conf",
        "/bin/sh",
    ] {
        let _ = machine.import(Path::new(file));
    }
    let (mut passed, mut failures) = (0, Vec::new());
    for (number, line) in list.lines().enumerate() {
        let Some((programs, command)) = line.split_once(": ").filter(|_| !line.starts_with('#'))
        else {
            continue;
        };
        if only
            .as_ref()
            .is_some_and(|only| !line.contains(only.as_str()))
        {
            continue;
        }
        let missing = programs.split_whitespace().find_map(|program| {
            let error = machine.import_program(program.as_bytes()).err()?;
            Some(format!("{program}: {error}"))
        });
        if let Some(missing) = missing {
            println!("skipped: {command} ({missing})");
            continue;
        }
        let also = NEEDS
            .iter()
            .filter(|(program, _)| programs.split(' ').any(|p| p == *program));
        for path in also.flat_map(|(_, paths)| *paths) {
            if let Err(error) = import_all(&mut machine, Path::new(path)) {
                println!("{path}: {error}");
            }
        }
        let dir = base.join(number.to_string());
        fs::create_dir_all(&dir).expect("a scratch directory");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("permissions");
        let expected = on_host(&dir, command);
        let mut expected_tree = Tree::new();
        host_tree(&dir, &dir, &mut expected_tree);

        machine.make_dir(&dir, me.uid(), me.gid());
        machine.cwd = support::bytes(&dir);
        let argv = vec![
            b"/bin/bash".to_vec(),
            b"-c".to_vec(),
            command.as_bytes().to_vec(),
        ];
        let found = machine.run(&argv, b"", |_, _| ());
        let mut found_tree = Tree::new();
        let root = machine
            .resolve(&support::bytes(&dir))
            .expect("the directory is still there");
        guest_tree(Path::new(""), root.inode(), &mut found_tree);

        let (want, got) = (show(&expected, &expected_tree), show(&found, &found_tree));
        if want == got && expected_tree == found_tree {
            passed += 1;
        } else {
            failures.push(format!(
                "=== {command}\n*** on the host: {want}*** here: {got}"
            ));
        }
    }
    let _ = fs::remove_dir_all(&base);
    println!("{passed} commands behave alike");
    assert!(
        failures.is_empty(),
        "{} of {} differ:\n{}",
        failures.len(),
        passed + failures.len(),
        failures.join("\n")
    );
}
