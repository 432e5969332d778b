//! What `docker load` is given: a tar of a stranger, as docker-archive or OCI layout.
#![no_main]

use bottleship_oci::Platform;
use bottleship_oci::archive;
use bottleship_oci::members::Members;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(members) = Members::from_tar(bytes.to_vec().into()) {
        let platform = Platform::parse("linux/amd64").expect("a platform");
        let _ = archive::read(&members, &platform);
    }
});
