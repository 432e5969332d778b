//! A short run of the differential test; `examples/differ.rs` is the long one.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod differ;

use differ::Kind;

/// One test, as the code, its registers and its signal stack are at fixed places of the process.
#[test]
fn the_interpreter_does_what_the_processor_does() {
    for (kind, seed, cases) in [
        (Kind::Single, 0x0b07_71e5, 150_000),
        (Kind::Sequence, 0x5e9, 50_000),
    ] {
        let report = differ::campaign(kind, seed, cases, None);
        assert!(
            report.failures.is_empty(),
            "{} differ:\n{}",
            report.failures.len(),
            report.failures.join("\n")
        );
        assert!(
            kind == Kind::Sequence || report.by_mnemonic.len() > 500,
            "only {} kinds",
            report.by_mnemonic.len()
        );
    }
}
