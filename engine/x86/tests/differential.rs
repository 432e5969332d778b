//! A short run of the differential test; `examples/differ.rs` is the long one.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod differ;

#[test]
fn the_interpreter_does_what_the_processor_does() {
    let report = differ::campaign(0x0b07_71e5, 200_000, None);
    assert!(
        report.failures.is_empty(),
        "{} differ:\n{}",
        report.failures.len(),
        report.failures.join("\n")
    );
    assert!(
        report.by_mnemonic.len() > 500,
        "only {} instructions were tried",
        report.by_mnemonic.len()
    );
}
