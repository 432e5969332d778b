//! A reference that parses prints as something that parses to the same.
#![no_main]

use bottleship_oci::Reference;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(reference) = Reference::parse(text) {
        let printed = reference.to_string();
        assert_eq!(
            Reference::parse(&printed).as_ref(),
            Ok(&reference),
            "{printed}"
        );
    }
});
