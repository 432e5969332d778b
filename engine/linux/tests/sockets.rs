//! Sockets as a C program sees them: the same output on the host and under the emulator.

mod support;

use std::path::PathBuf;
use std::process::Command;

use support::Machine;

/// Compiles a C program of this directory; `None` without a compiler.
fn compile(name: &str) -> Option<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name);
    let program =
        std::env::temp_dir().join(format!("bottleship-{}-{name}.out", std::process::id()));
    let status = Command::new("gcc")
        .args(["-O1", "-static", "-w", "-o"])
        .arg(&program)
        .arg(&source)
        .status()
        .ok()?;
    status.success().then_some(program)
}

#[test]
fn sockets_behave_as_on_the_host() {
    let Some(program) = compile("sockets.c") else {
        println!("skipped: no gcc with a static libc");
        return;
    };
    let host = Command::new(&program)
        .output()
        .expect("the program runs here");
    let mut machine = Machine::new();
    let argv = vec![support::bytes(&program)];
    machine
        .import_program(&argv[0])
        .expect("the program is imported");
    let guest = machine.run(&argv, b"", |_, _| ());
    let _ = std::fs::remove_file(&program);
    let (host, guest) = (lines(&host.stdout), lines(&guest.stdout));
    let differ: Vec<String> = host
        .iter()
        .zip(guest.iter().map(Some).chain(std::iter::repeat(None)))
        .filter(|(host, guest)| Some(*host) != *guest)
        .map(|(host, guest)| format!("host  {host}\nguest {}\n", guest.map_or("", |g| g)))
        .collect();
    assert!(
        differ.is_empty() && host.len() == guest.len(),
        "{}",
        differ.concat()
    );
}

fn lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    text.lines()
        .enumerate()
        .map(|(n, line)| format!("{:3} {line}", n + 1))
        .collect()
}
