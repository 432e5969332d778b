//! Manifests, indexes and configurations of strangers: refused or read, never a panic; what is read is kept verbatim.
#![no_main]

use bottleship_oci::{Document, ImageConfig};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Document::parse(bytes.to_vec().into(), None);
    let _ = ImageConfig::parse(bytes);
});
