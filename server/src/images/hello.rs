//! The program of the hello-world image: 64 bytes of header, 56 of program header, 40 of code, and
//! the text.

const BASE: u64 = 0x40_0000;
const HEADERS: usize = 64 + 56;

/// What the program prints; its first lines are what Docker's own hello-world prints.
pub const TEXT: &str = "
Hello from Docker!
This message shows that your installation appears to be working correctly.

To generate this message, Docker took the following steps:
 1. The Docker client contacted the Docker daemon.
 2. The Docker daemon pulled the \"hello-world\" image from the registry.
    (amd64)
 3. The Docker daemon created a new container from that image which runs the
    executable that produces the output you are currently reading.
 4. The Docker daemon streamed that output to the Docker client, which sent it
    to your terminal.

All of it happened inside Bottleship: the client, the daemon, and the machine
that runs this very program.

To try something more ambitious, you can run a container with:
 $ docker run -it busybox sh

";

/// A static x86-64 ELF executable that writes [`TEXT`] and exits.
pub fn program() -> Vec<u8> {
    let text = TEXT.as_bytes();
    let mut code = Vec::new();
    code.extend([0xb8, 1, 0, 0, 0]); // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1 (standard output)
    code.extend([0x48, 0x8d, 0x35]); // lea rsi, [rip + text]
    let operand = code.len();
    code.extend([0; 4]);
    code.push(0xba); // mov edx, length
    code.extend((text.len() as u32).to_le_bytes());
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60 (exit)
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall
    let distance = (code.len() - operand - 4) as u32;
    code[operand..operand + 4].copy_from_slice(&distance.to_le_bytes());

    let size = (HEADERS + code.len() + text.len()) as u64;
    let mut elf = Vec::with_capacity(size as usize);
    elf.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    elf.extend(2u16.to_le_bytes()); // ET_EXEC
    elf.extend(62u16.to_le_bytes()); // EM_X86_64
    elf.extend(1u32.to_le_bytes());
    elf.extend((BASE + HEADERS as u64).to_le_bytes()); // entry
    elf.extend(64u64.to_le_bytes()); // program headers
    elf.extend(0u64.to_le_bytes()); // no section headers
    elf.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 64, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1u32.to_le_bytes()); // PT_LOAD
    elf.extend(5u32.to_le_bytes()); // read, execute
    for word in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf.extend(text);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn the_program_runs() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("bottleship-hello-{}", std::process::id()));
        std::fs::write(&path, program()).unwrap_or_else(|e| panic!("{e}"));
        let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755));
        let output = std::process::Command::new(&path).output();
        let _ = std::fs::remove_file(&path);
        let output = output.unwrap_or_else(|e| panic!("{e}"));
        assert!(output.status.success());
        assert_eq!(output.stdout, TEXT.as_bytes());
    }
}
