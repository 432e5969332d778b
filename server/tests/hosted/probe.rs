//! Questions that walls answer, as lines of a shell and as programs of one system call.

/// Docker's default capabilities without MKNOD and AUDIT_WRITE.
const CAPABILITIES: &str = "00000000800425fb";

/// Shows what walls a process has.
pub const STATUS: &str =
    "grep -E \"^(Seccomp|NoNewPrivs|CapBnd|CapEff):\" /proc/self/status; cat /proc/self/uid_map";

/// Whether that is what a stranger's process must have.
pub fn check_status(text: &str) -> Result<(), String> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.map(str::trim)
            .ok_or_else(|| format!("no {name} in {text}"))
    };
    for (name, wanted) in [
        ("Seccomp:", "2"),
        ("NoNewPrivs:", "1"),
        ("CapBnd:", CAPABILITIES),
        ("CapEff:", CAPABILITIES),
    ] {
        if field(name)? != wanted {
            return Err(format!("{name} {} and not {wanted}", field(name)?));
        }
    }
    let maps: Vec<u64> = text
        .lines()
        .filter_map(|line| {
            let numbers: Vec<u64> = line
                .split_whitespace()
                .map_while(|word| word.parse().ok())
                .collect();
            (numbers.len() == 3).then(|| numbers[1])
        })
        .collect();
    match maps[..] {
        [base] if base >= 65536 => Ok(()),
        _ => Err(format!("its ids are the host's: {text}")),
    }
}

/// Shows a process' descriptors.
pub const DESCRIPTORS: &str = "ls /proc/self/fd | tr \"\\n\" \" \"";

/// Whether those are the three standard streams, and the one that ls reads the directory by.
pub fn check_descriptors(text: &str) -> Result<(), String> {
    let open: Vec<&str> = text.split_whitespace().collect();
    match open == ["0", "1", "2", "3"] {
        true => Ok(()),
        false => Err(format!("open: {open:?}")),
    }
}

/// A program that makes one system call and exits with its error number.
fn call(number: u32, arguments: [u32; 3]) -> Vec<u8> {
    let mut code = Vec::new();
    for (register, value) in [
        (0xbf_u8, arguments[0]),
        (0xbe, arguments[1]),
        (0xba, arguments[2]),
    ] {
        code.push(register);
        code.extend(value.to_le_bytes());
    }
    code.push(0xb8);
    code.extend(number.to_le_bytes());
    code.extend([
        0x0f, 0x05, 0xf7, 0xd8, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05,
    ]);
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [0x40_0078_u64, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let size = 120 + code.len() as u64;
    for word in [0, 0x40_0000, 0x40_0000, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// A line of a shell that makes one system call and exits with its error number: of zero, and of what is no error, the
/// number modulo 256.
pub fn call_line(name: &str, number: u32, arguments: [u32; 3]) -> String {
    let hex: String = call(number, arguments)
        .iter()
        .map(|byte| format!("\\x{byte:02x}"))
        .collect();
    format!("printf '{hex}' > /tmp/{name}; chmod +x /tmp/{name}; /tmp/{name}")
}

/// What a process inside could do to get out, or to learn more than it should; harmless where it succeeds.
pub const WAYS_OUT: [&str; 10] = [
    "unshare -U true",
    "unshare -m true",
    "unshare -n true",
    "mount -t tmpfs t /mnt && umount /mnt",
    "mount -t proc p /mnt && umount /mnt",
    "rm -f /tmp/sda; mknod /tmp/sda b 8 0",
    "rm -f /tmp/kmsg; mknod /tmp/kmsg c 1 11 && dd if=/tmp/kmsg of=/dev/null bs=8192 count=1",
    "test -n \"$(cat /proc/keys /proc/timer_list 2>/dev/null | head -c 4)\"",
    "nsenter -t $$ -m true",
    // Opened for writing, and nothing written.
    ": >> /proc/sys/kernel/panic",
];

/// System calls that are refused with EPERM whatever their arguments, by name and number, with arguments that do no harm.
pub const REFUSED: [(&str, u32, [u32; 3]); 7] = [
    // Which keyring a session has.
    ("keyctl", 250, [0, 0xffff_fffd, 0]),
    ("bpf", 321, [0, 0, 0]),
    ("perf_event_open", 298, [0, 0, 0]),
    ("add_key", 248, [0, 0, 0]),
    ("setns", 308, [0, 0, 0]),
    ("open_tree", 428, [0, 0, 0]),
    ("process_vm_readv", 310, [1, 0, 0]),
];

/// Every rule of the filter that looks at an argument: a call's number, and arguments on its one side and on the other.
pub type Rule = (&'static str, u32, &'static [[u32; 3]], &'static [[u32; 3]]);

/// The rules. A raw or packet socket needs a capability that containers have.
pub const RULES: [Rule; 4] = [
    (
        "socket",
        41,
        &[
            [1, 1, 0],
            [2, 1, 0],
            [10, 1, 0],
            [17, 3, 0],
            [16, 3, 0],
            [16, 3, 4],
            [16, 3, 15],
        ],
        &[
            [38, 5, 0],
            [40, 1, 0],
            [16, 3, 12],
            [16, 3, 9],
            [31, 3, 1],
            [44, 3, 0],
        ],
    ),
    (
        "personality",
        135,
        &[
            [0, 0, 0],
            [8, 0, 0],
            [0x2_0000, 0, 0],
            [0x2_0008, 0, 0],
            [0xffff_ffff, 0, 0],
        ],
        &[[0x4_0000, 0, 0], [0x40_0000, 0, 0], [1, 0, 0]],
    ),
    (
        // Its flags without those of namespaces, and with each of them.
        "clone",
        56,
        &[[17, 0, 0]],
        &[
            [0x0200_0011, 0, 0],
            [0x0400_0011, 0, 0],
            [0x0800_0011, 0, 0],
            [0x1000_0011, 0, 0],
            [0x2000_0011, 0, 0],
            [0x4000_0011, 0, 0],
            [0x0002_0011, 0, 0],
        ],
    ),
    // Always "no such call", so that C libraries take clone.
    ("clone3", 435, &[], &[]),
];
