//! Compares the interpreter with the host's processor, for as many random cases as wanted:
//! `cargo run --release -p bottleship-x86 --example differ -- --cases 10000000 [--sequences] [--seed N]
//! [--only MNEMONIC]`.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[path = "../tests/differ/mod.rs"]
mod differ;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        args.iter()
            .position(|a| a == name)
            .and_then(|at| args.get(at + 1))
            .cloned()
    };
    let number =
        |name: &str, default: u64| option(name).and_then(|v| v.parse().ok()).unwrap_or(default);
    let (cases, seed) = (number("--cases", 1_000_000), number("--seed", 1));
    let kind = if args.iter().any(|a| a == "--sequences") {
        differ::Kind::Sequence
    } else {
        differ::Kind::Single
    };
    let report = differ::campaign(kind, seed, cases, option("--only").as_deref());
    for failure in &report.failures {
        println!("{failure}");
    }
    println!("failures by instruction: {:?}", report.failed_mnemonics);
    println!(
        "{} cases of {} instructions, {} of them stopped by a signal; {} instructions differ",
        report.cases,
        report.by_mnemonic.len(),
        report.faults,
        report.failed_mnemonics.len()
    );
    std::process::exit(i32::from(!report.failures.is_empty()));
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
fn main() {
    println!("only an x86-64 Linux host can be compared with");
}
