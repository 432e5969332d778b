//! How many guest instructions a second: `cargo run --release -p bottleship-x86 --example bench -- PROGRAM [ARGS…]` runs a
//! static ELF program (such as busybox) whose input is 20 MB of zeros; without arguments, busybox, if there is one, runs
//! a loop of the shell and sha256sum. `wasm.rs` and `bench.mjs` beside this do the same under V8.

mod guest;

use std::time::Instant;

fn measure(elf: &[u8], argv: &[&str]) {
    let mut guest = guest::Guest::new(elf, argv, vec![0; 20_000_000]);
    let start = Instant::now();
    while guest.run(1_000_000) {}
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}\n  {}  exit {}, {} M instructions, {seconds:.2} s, {:.0} MIPS",
        argv.join(" "),
        String::from_utf8_lossy(&guest.output).trim_end(),
        guest.exit_code.unwrap_or(-1),
        guest.instructions / 1_000_000,
        guest.instructions as f64 / seconds / 1e6
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let [program, rest @ ..] = &args[..] {
        let elf = std::fs::read(program).expect("the program can be read");
        let argv: Vec<&str> = if rest.is_empty() {
            vec![program]
        } else {
            rest.to_vec()
        };
        return measure(&elf, &argv);
    }
    match std::fs::read("/bin/busybox") {
        Ok(elf) => {
            measure(
                &elf,
                &[
                    "busybox",
                    "ash",
                    "-c",
                    "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i",
                ],
            );
            measure(&elf, &["busybox", "sha256sum"]);
            measure(&elf, &["busybox", "md5sum"]);
        }
        Err(error) => println!("skipped: /bin/busybox: {error}"),
    }
}
