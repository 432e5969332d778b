//! C programs that exercise threads, signals, memory, files and users: compiled here, run on the host and under the
//! emulator; what they print and how they end must agree.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::Machine;

fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("bottleship-c-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a scratch directory");
    dir
}

fn check(name: &str, files: &[&str]) {
    let dir = scratch(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(format!("{name}.c"));
    let program =
        std::env::temp_dir().join(format!("bottleship-c-{}-{name}.bin", std::process::id()));
    let compiled = Command::new("gcc")
        .args(["-O1", "-w", "-pthread", "-o"])
        .arg(&program)
        .arg(&source)
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("skipped: {name}.c (no working gcc)");
        return;
    }
    // In a session of its own: where the tests run in a PID namespace whose session began outside, getsid() is 0.
    let output = Command::new("setsid")
        .args(["--wait", "timeout", "20"])
        .arg(&program)
        .current_dir(&dir)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    use std::os::unix::process::ExitStatusExt;
    let code = output
        .status
        .code()
        .or(output.status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1);
    let expected = format!(
        "{}exit code {code}",
        String::from_utf8_lossy(&output.stdout)
    );

    let mut machine = Machine::new();
    let path = support::bytes(&program);
    machine.import_program(&path).expect("its libraries");
    for file in files {
        let _ = machine.import(Path::new(file));
    }
    machine.make_dir(&dir, 0, 0);
    machine.cwd = support::bytes(&dir);
    let output = machine.run(&[path], b"", |_, _| ());
    let found = format!(
        "{}exit code {}",
        String::from_utf8_lossy(&output.stdout),
        output.code
    );
    let _ = std::fs::remove_dir_all(&dir);
    let _ = std::fs::remove_file(&program);
    if is_root() {
        assert_eq!(
            expected,
            found,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    } else {
        println!("skipped: comparing {name} (needs to be root on the host)");
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

#[test]
fn threads() {
    check("threads", &["/lib/x86_64-linux-gnu/libgcc_s.so.1"]);
}

#[test]
fn signals() {
    check("signals", &[]);
}

#[test]
fn memory() {
    check("memory", &[]);
}

#[test]
fn files() {
    check("files", &[]);
}

#[test]
fn ids() {
    check("ids", &[]);
}
