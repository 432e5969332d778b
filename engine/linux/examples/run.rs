//! Runs a program of this machine under the emulator: `run [--trace] [--root DIR]… PROGRAM [ARGUMENT]…`.
//!
//! The program, its libraries and whatever `--import` names are copied into a tmpfs first; nothing is written back.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::os::unix::ffi::OsStringExt;

fn main() {
    let mut args = std::env::args_os().skip(1).peekable();
    let mut machine = support::Machine::new();
    let mut stats = false;
    loop {
        match args.peek().and_then(|arg| arg.to_str()) {
            Some("--trace") => machine.trace(),
            Some("--stats") => stats = true,
            Some("--import") => {
                args.next();
                let Some(path) = args.next() else { break };
                if let Err(error) = machine.import(std::path::Path::new(&path)) {
                    eprintln!("run: {}: {error}", path.display());
                    std::process::exit(2);
                }
                continue;
            }
            _ => break,
        }
        args.next();
    }
    let argv: Vec<Vec<u8>> = args.map(OsStringExt::into_vec).collect();
    if argv.is_empty() {
        eprintln!("usage: run [--trace] [--stats] [--import PATH]… PROGRAM [ARGUMENT]…");
        std::process::exit(2);
    }
    if let Err(error) = machine.import_program(&argv[0]) {
        eprintln!("run: {}: {error}", String::from_utf8_lossy(&argv[0]));
        std::process::exit(127);
    }
    let started = std::time::Instant::now();
    let output = machine.run(&argv, b"", |out, err| {
        let _ = std::io::stdout().write_all(out);
        let _ = std::io::stderr().write_all(err);
    });
    if stats {
        let seconds = started.elapsed().as_secs_f64();
        let count = machine.kernel().instructions();
        eprintln!(
            "{count} instructions, {seconds:.3} s, {:.0} MIPS",
            count as f64 / seconds / 1e6
        );
    }
    std::process::exit(output.code);
}
