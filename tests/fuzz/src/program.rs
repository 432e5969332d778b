//! A program of a stranger: its ELF file is loaded and its code runs for a while; whatever it is, the kernel lives.
#![no_main]

use bottleship_linux::{Kernel, KernelConfig, ProcessSpec};
use bottleship_vfs::{CreatePerm, FileSystem, MountFlags, MountNs, NewNode, Quota, Tmpfs};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let kernel = Kernel::new(KernelConfig {
        memory_limit: 64 << 20,
        pids_limit: 32,
        ..KernelConfig::default()
    });
    let files = Tmpfs::new(&kernel.clock(), Quota::new(16 << 20, 1000)).expect("an empty tree");
    let perm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let program = files
        .root()
        .create(b"program", NewNode::File, perm)
        .expect("room for a file");
    program.write_at(0, bytes).expect("room for the program");
    kernel.set_host_mounts(MountNs::new(files, "rootfs", MountFlags::empty()));
    let spec = ProcessSpec::new(vec![b"/program".to_vec()]);
    if kernel
        .spawn(&kernel.host_ns(), &kernel.root_cgroup(), spec)
        .is_ok()
    {
        kernel.run(20_000);
    }
});
