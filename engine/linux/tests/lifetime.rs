//! What is left of a kernel that ends while programs run.

use std::rc::Rc;

use bottleship_linux::{Kernel, KernelConfig, ProcessSpec};
use bottleship_vfs::{CreatePerm, FileSystem, MountFlags, MountNs, NewNode, Quota, Tmpfs};

/// A program of one segment, loaded at 0x40_0000, that is nothing but this code.
fn elf(code: &[u8]) -> Vec<u8> {
    let (base, headers) = (0x40_0000u64, 64 + 56);
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [2u16, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for word in [base + headers, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    for half in [1u32, 5] {
        file.extend(half.to_le_bytes());
    }
    let size = headers + code.len() as u64;
    for word in [0, base, base, size, size, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}

#[test]
fn a_kernel_that_ends_lets_go_of_its_programs_and_files() {
    let kernel = Kernel::new(KernelConfig::default());
    let files = Tmpfs::new(&kernel.clock(), Quota::unlimited()).unwrap();
    let perm = CreatePerm {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    let program = files.root().create(b"spin", NewNode::File, perm).unwrap();
    program.write_at(0, &elf(b"\xeb\xfe")).unwrap();
    drop(program);
    let held = Rc::downgrade(&files);
    kernel.set_host_mounts(MountNs::new(files, "rootfs", MountFlags::empty()));
    let spec = ProcessSpec::new(vec![b"/spin".to_vec()]);
    let spawned = kernel
        .spawn(&kernel.host_ns(), &kernel.root_cgroup(), spec)
        .unwrap();
    kernel.run(10_000);
    assert!(held.upgrade().is_some(), "it runs");
    drop(spawned);
    drop(kernel);
    assert!(held.upgrade().is_none(), "something still holds the files");
}
