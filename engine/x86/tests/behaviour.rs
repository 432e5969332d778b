//! What no comparison of single instructions shows: faults in the middle of things, code that changes, sharing.

use bottleship_page::Page;
use bottleship_x86::{Access, AddressSpace, CodeCache, Cpu, Exit, Fault, Prot, reg, run};

const CODE: u64 = 0x40_0000;
const DATA: u64 = 0x80_0000;

struct Machine {
    cpu: Cpu,
    mem: AddressSpace,
}

impl Machine {
    /// `code` at CODE (writable, as a JIT's), and two pages at DATA with an unmapped one after them.
    fn new(code: &[u8]) -> Machine {
        Machine::with(&CodeCache::new(), code)
    }

    fn with(cache: &CodeCache, code: &[u8]) -> Machine {
        let mut mem = AddressSpace::new(cache);
        for (n, part) in code.chunks(4096).enumerate() {
            mem.map(
                (CODE >> 12) + n as u64,
                Page::from_slice(part),
                Prot::RWX,
                true,
            );
        }
        for n in 0..2 {
            mem.map((DATA >> 12) + n, Page::zeroed(), Prot::RW, true);
        }
        let mut cpu = Cpu::new();
        cpu.rip = CODE;
        cpu.gpr[reg::RSP] = DATA + 0x1000;
        Machine { cpu, mem }
    }

    fn run(&mut self) -> Exit {
        run(&mut self.cpu, &mut self.mem, &mut 1_000_000)
    }
}

fn page_fault(addr: u64, access: Access, present: bool) -> Exit {
    Exit::Fault(Fault {
        addr,
        access,
        present,
    })
}

#[test]
fn code_that_changes_the_next_instruction_runs_the_changed_one() {
    // mov byte [rip+1], 7 ; mov eax, 1 → mov eax, 7 ; int3
    let mut m = Machine::new(&[0xc6, 0x05, 1, 0, 0, 0, 7, 0xb8, 1, 0, 0, 0, 0xcc]);
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(m.cpu.gpr[reg::RAX], 7);
    // Again, now that it has been translated and written to; and with another value from outside.
    m.mem.write(CODE + 6, &[9]).unwrap();
    m.cpu.rip = CODE;
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(m.cpu.gpr[reg::RAX], 9);
}

#[test]
fn a_loop_that_patches_itself_counts_its_patches() {
    // l: mov eax, imm32 (counts up in place) ; inc dword [rip-10] ; cmp eax, 50 ; jne l ; int3
    let code = [
        0xb8, 0, 0, 0, 0, 0xff, 0x05, 0xf6, 0xff, 0xff, 0xff, 0x83, 0xf8, 50, 0x75, 0xf0, 0xcc,
    ];
    let mut m = Machine::new(&code);
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(m.cpu.gpr[reg::RAX], 50);
    assert_eq!(m.mem.read_u32(CODE + 1), Ok(51));
    assert_eq!(m.mem.cow_copies(), 0, "the cache lets go of the page");
    assert!(m.mem.code_cache().len() < 1000);
}

#[test]
fn a_page_written_through_another_mapping_runs_its_new_code() {
    // mov [rdi], esi (to the same page, mapped at DATA + 0x10000 as well) ; jmp to CODE + 0x100
    let mut m = Machine::new(&[0x89, 0x37, 0xe9, 0xf9, 0, 0, 0]);
    m.mem
        .write(CODE + 0x100, &[0xb8, 1, 0, 0, 0, 0xcc])
        .unwrap();
    let page = m.mem.get(CODE >> 12).unwrap().page.clone();
    m.mem.map(CODE >> 12, page.clone(), Prot::RX, false);
    m.mem.map((DATA >> 12) + 16, page, Prot::RW, false);
    for value in [5u32, 6, 7] {
        m.cpu.rip = CODE + 0x100;
        assert_eq!(m.run(), Exit::Breakpoint);
        m.cpu.rip = CODE;
        m.cpu.gpr[reg::RDI] = DATA + 0x10101;
        m.cpu.gpr[reg::RSI] = u64::from(value);
        assert_eq!(m.run(), Exit::Breakpoint);
        assert_eq!(m.cpu.gpr[reg::RAX], u64::from(value));
    }
}

#[test]
fn a_file_page_written_by_someone_else_is_translated_anew() {
    let cache = CodeCache::new();
    let (mut a, mut b) = (Machine::with(&cache, &[]), Machine::with(&cache, &[]));
    let file = Page::from_slice(&[0xb8, 1, 0, 0, 0, 0xcc]);
    for m in [&mut a, &mut b] {
        m.mem.map(CODE >> 12, file.clone(), Prot::RX, true);
        assert_eq!(m.run(), Exit::Breakpoint);
        assert_eq!(m.cpu.gpr[reg::RAX], 1);
        m.cpu.rip = CODE;
    }
    let translated = cache.len();
    assert!(translated > 0);
    file.write(1, &[2]);
    for m in [&mut a, &mut b] {
        assert_eq!(m.run(), Exit::Breakpoint);
        assert_eq!(m.cpu.gpr[reg::RAX], 2);
    }
    assert_eq!(
        cache.len(),
        translated,
        "the second process uses what the first one translated"
    );
}

#[test]
fn mappings_of_code_take_effect_at_once() {
    // jmp to the next page, where there is mov eax, imm ; int3
    let mut m = Machine::new(&[0xe9, 0xfb, 0x0f, 0, 0]);
    let next = (CODE >> 12) + 1;
    for value in 1..4u8 {
        m.mem.map(
            next,
            Page::from_slice(&[0xb8, value, 0, 0, 0, 0xcc]),
            Prot::RX,
            true,
        );
        m.cpu.rip = CODE;
        assert_eq!(m.run(), Exit::Breakpoint);
        assert_eq!(m.cpu.gpr[reg::RAX], u64::from(value));
    }
    m.cpu.rip = CODE;
    m.mem.protect(next..next + 1, Prot::R);
    assert_eq!(m.run(), page_fault(CODE + 0x1000, Access::Exec, true));
    m.cpu.rip = CODE;
    m.mem.unmap(next..next + 1);
    assert_eq!(m.run(), page_fault(CODE + 0x1000, Access::Exec, false));
    assert_eq!(m.cpu.rip, CODE + 0x1000);
}

#[test]
fn an_instruction_across_two_pages_follows_both() {
    let mut code = vec![0x90; 4094];
    code.extend([0xb8, 1, 2, 3, 4, 0xcc]); // mov eax, 0x04030201
    let mut m = Machine::new(&code);
    m.cpu.rip = CODE + 4090;
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(m.cpu.gpr[reg::RAX], 0x0403_0201);
    m.mem.write(CODE + 4096, &[9]).unwrap();
    m.cpu.rip = CODE + 4090;
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(m.cpu.gpr[reg::RAX], 0x0403_0901);
    m.mem.unmap((CODE >> 12) + 1..(CODE >> 12) + 2);
    m.cpu.rip = CODE + 4090;
    assert_eq!(m.run(), page_fault(CODE + 4096, Access::Exec, false));
    assert_eq!(m.cpu.rip, CODE + 4094);
}

#[test]
fn accesses_that_reach_into_a_missing_page_do_nothing() {
    let end = DATA + 0x2000;
    // mov [rdi], rax / add [rdi], rax / movups [rdi], xmm0 / xchg [rdi], rax / fstp tbyte [rdi]
    let cases: [&[u8]; 5] = [
        &[0x48, 0x89, 0x07],
        &[0x48, 0x01, 0x07],
        &[0x0f, 0x11, 0x07],
        &[0x48, 0x87, 0x07],
        &[0xdb, 0x3f],
    ];
    for code in cases {
        let mut m = Machine::new(code);
        m.cpu.gpr[reg::RDI] = end - 3;
        m.cpu.gpr[reg::RAX] = 0x1111_1111_1111_1111;
        m.cpu.xmm[0] = u128::MAX;
        assert_eq!(
            m.run(),
            page_fault(end, Access::Write, false),
            "{code:02x?}"
        );
        assert_eq!(m.cpu.rip, CODE);
        assert_eq!(m.cpu.gpr[reg::RAX], 0x1111_1111_1111_1111);
        let mut tail = [9; 3];
        m.mem.read(end - 3, &mut tail).unwrap();
        assert_eq!(tail, [0; 3]);
        // Once the page is there, it goes through.
        m.mem.map(end >> 12, Page::zeroed(), Prot::RW, true);
        m.mem.write(CODE + code.len() as u64, &[0xcc]).unwrap();
        assert_eq!(m.run(), Exit::Breakpoint);
    }
}

#[test]
fn accesses_across_two_pages_work() {
    // mov [rdi], rax ; mov rbx, [rdi] ; add [rdi], rbx ; mov rcx, [rdi] ; int3
    let mut m = Machine::new(&[
        0x48, 0x89, 0x07, 0x48, 0x8b, 0x1f, 0x48, 0x01, 0x1f, 0x48, 0x8b, 0x0f, 0xcc,
    ]);
    m.cpu.gpr[reg::RDI] = DATA + 0xffd;
    m.cpu.gpr[reg::RAX] = 0x0102_0304_0506_0708;
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(m.cpu.gpr[reg::RBX], 0x0102_0304_0506_0708);
    assert_eq!(m.cpu.gpr[reg::RCX], 0x0204_0608_0a0c_0e10);
    assert_eq!(m.mem.read_u64(DATA + 0xffd), Ok(0x0204_0608_0a0c_0e10));
}

#[test]
fn a_repeated_move_that_faults_goes_on_where_it_stopped() {
    let mut m = Machine::new(&[0xf3, 0xa4, 0xcc]); // rep movsb
    let bytes: Vec<u8> = (0..100).collect();
    m.mem.write(DATA, &bytes).unwrap();
    m.cpu.gpr[reg::RSI] = DATA;
    m.cpu.gpr[reg::RDI] = DATA + 0x2000 - 60;
    m.cpu.gpr[reg::RCX] = 100;
    assert_eq!(m.run(), page_fault(DATA + 0x2000, Access::Write, false));
    assert_eq!(m.cpu.rip, CODE);
    assert_eq!(
        (
            m.cpu.gpr[reg::RCX],
            m.cpu.gpr[reg::RSI],
            m.cpu.gpr[reg::RDI]
        ),
        (40, DATA + 60, DATA + 0x2000)
    );
    m.mem.map((DATA >> 12) + 2, Page::zeroed(), Prot::RW, true);
    assert_eq!(m.run(), Exit::Breakpoint);
    let mut copied = [0; 100];
    m.mem.read(DATA + 0x2000 - 60, &mut copied).unwrap();
    assert_eq!(copied[..], bytes[..]);
}

#[test]
fn a_long_repetition_takes_turns() {
    let mut m = Machine::new(&[0xf3, 0xaa, 0xcc]); // rep stosb
    for n in 0..1000 {
        m.mem.map((DATA >> 12) + n, Page::zeroed(), Prot::RW, true);
    }
    m.cpu.gpr[reg::RDI] = DATA;
    m.cpu.gpr[reg::RCX] = 4_000_000;
    m.cpu.gpr[reg::RAX] = 0x5a;
    let mut turns = 0;
    while run(&mut m.cpu, &mut m.mem, &mut 2) == Exit::Budget {
        turns += 1;
    }
    assert!(turns > 10, "only {turns} turns");
    assert_eq!(m.mem.read_u8(DATA + 3_999_999), Ok(0x5a));
    assert_eq!(m.mem.read_u8(DATA + 4_000_000), Ok(0));
}

#[test]
fn pushes_that_fault_leave_the_stack_pointer() {
    // push rax ; push rbx ; push rcx ; int3, with room for two
    let mut m = Machine::new(&[0x50, 0x53, 0x51, 0xcc]);
    m.cpu.gpr[reg::RSP] = DATA + 16;
    for (r, value) in [(reg::RAX, 1), (reg::RBX, 2), (reg::RCX, 3)] {
        m.cpu.gpr[r] = value;
    }
    assert_eq!(m.run(), page_fault(DATA - 8, Access::Write, false));
    assert_eq!((m.cpu.rip, m.cpu.gpr[reg::RSP]), (CODE + 2, DATA));
    assert_eq!(
        (m.mem.read_u64(DATA), m.mem.read_u64(DATA + 8)),
        (Ok(2), Ok(1))
    );
    m.mem.map((DATA >> 12) - 1, Page::zeroed(), Prot::RW, true);
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(m.mem.read_u64(DATA - 8), Ok(3));
    // pop rcx ; pop rbx ; pop rax, back across the border
    m.mem.write(CODE, &[0x59, 0x5b, 0x58, 0xcc]).unwrap();
    m.cpu.gpr[..4].fill(0);
    m.cpu.rip = CODE;
    assert_eq!(m.run(), Exit::Breakpoint);
    assert_eq!(
        (
            m.cpu.gpr[reg::RAX],
            m.cpu.gpr[reg::RBX],
            m.cpu.gpr[reg::RCX]
        ),
        (1, 2, 3)
    );
    assert_eq!(m.cpu.gpr[reg::RSP], DATA + 16);
}

#[test]
fn a_fork_shares_until_either_writes() {
    let mut m = Machine::new(&[0x89, 0x07, 0x8b, 0x1f, 0xcc]); // mov [rdi], eax ; mov ebx, [rdi] ; int3
    m.mem.map((DATA >> 12) + 8, Page::zeroed(), Prot::RW, false);
    m.cpu.gpr[reg::RDI] = DATA;
    m.cpu.gpr[reg::RAX] = 1;
    assert_eq!(m.run(), Exit::Breakpoint);
    let mut child = Machine {
        cpu: m.cpu.clone(),
        mem: m.mem.fork(),
    };
    for (machine, value) in [(&mut m, 2), (&mut child, 3)] {
        machine.cpu.rip = CODE;
        machine.cpu.gpr[reg::RAX] = value;
        assert_eq!(machine.run(), Exit::Breakpoint);
        assert_eq!(machine.cpu.gpr[reg::RBX], value);
    }
    assert_eq!(
        (m.mem.read_u32(DATA), child.mem.read_u32(DATA)),
        (Ok(2), Ok(3))
    );
    assert_eq!(
        (m.mem.cow_copies(), child.mem.cow_copies()),
        (1, 0),
        "who writes last has the page for itself"
    );
    child.mem.write_u32(DATA + 0x8000, 77).unwrap();
    assert_eq!(
        m.mem.read_u32(DATA + 0x8000),
        Ok(77),
        "a shared mapping stays shared"
    );
}

#[test]
fn a_small_code_cache_only_costs_time() {
    // 300 functions of their own page each, called in a loop: call rbx ; add rbx, 4096 ; dec ecx ; jnz ; int3
    let mut m = Machine::with(
        &CodeCache::with_cap(200),
        &[
            0xff, 0xd3, 0x48, 0x81, 0xc3, 0, 0x10, 0, 0, 0xff, 0xc9, 0x75, 0xf3, 0xcc,
        ],
    );
    for n in 0..300 {
        m.mem.map(
            (CODE >> 12) + 16 + n,
            Page::from_slice(&[0xff, 0xc0, 0xc3]),
            Prot::RX,
            true,
        ); // inc eax ; ret
    }
    for _ in 0..3 {
        m.cpu.rip = CODE;
        m.cpu.gpr[reg::RBX] = CODE + 0x10000;
        m.cpu.gpr[reg::RCX] = 300;
        assert_eq!(m.run(), Exit::Breakpoint);
    }
    assert_eq!(m.cpu.gpr[reg::RAX], 900);
    assert!(m.mem.code_cache().len() <= 200);
}

#[test]
fn the_budget_stops_an_endless_loop() {
    let mut m = Machine::new(&[0xff, 0xc0, 0xeb, 0xfc]); // l: inc eax ; jmp l
    let mut budget = 1001;
    assert_eq!(run(&mut m.cpu, &mut m.mem, &mut budget), Exit::Budget);
    assert_eq!(budget, 0);
    let done = m.cpu.gpr[reg::RAX];
    assert!((400..=550).contains(&done), "{done} rounds");
}

#[test]
fn the_trap_flag_stops_after_each_instruction() {
    let mut m = Machine::new(&[0xff, 0xc0, 0xff, 0xc0, 0x0f, 0x05]); // inc eax ; inc eax ; syscall
    m.cpu.set_rflags(0x100);
    for n in 1..3 {
        assert_eq!(m.run(), Exit::Trap);
        assert_eq!((m.cpu.gpr[reg::RAX], m.cpu.rip), (n, CODE + 2 * n));
    }
    m.cpu.set_rflags(0);
    assert_eq!(m.run(), Exit::Syscall);
    assert_eq!((m.cpu.rip, m.cpu.gpr[reg::RCX]), (CODE + 6, CODE + 6));
}

#[test]
fn what_is_not_for_user_mode_says_so() {
    for (code, exit) in [
        (&[0xf4][..], Exit::GeneralProtection),
        (&[0x0f, 0x0b], Exit::InvalidOpcode),
        (&[0x06], Exit::InvalidOpcode),
        (&[0xe4, 0x80], Exit::GeneralProtection),
        (&[0xcd, 0x99], Exit::GeneralProtection),
        (&[0x31, 0xc9, 0xf7, 0xf1], Exit::DivideError),
        (
            &[0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x8b, 0],
            Exit::GeneralProtection,
        ),
        (&[0x0f, 0x28, 0x47, 0x01], Exit::GeneralProtection),
    ] {
        let mut m = Machine::new(code);
        m.cpu.gpr[reg::RDI] = DATA;
        assert_eq!(m.run(), exit, "{code:02x?}");
    }
}

#[test]
fn fxsave_images_round_trip() {
    // fld1 ; fldpi ; movd xmm3, eax ; fxsave64 [rdi] ; int3
    let mut m = Machine::new(&[
        0xd9, 0xe8, 0xd9, 0xeb, 0x66, 0x0f, 0x6e, 0xd8, 0x48, 0x0f, 0xae, 0x07, 0xcc,
    ]);
    m.cpu.gpr[reg::RAX] = 0x1234;
    m.cpu.gpr[reg::RDI] = DATA;
    assert_eq!(m.run(), Exit::Breakpoint);
    let mut image = [0; 512];
    m.mem.read(DATA, &mut image).unwrap();
    assert_eq!(image, m.cpu.fxsave());
    let mut other = Cpu::new();
    assert!(other.fxrstor(&image));
    assert_eq!(other.fxsave(), image);
    image[27] = 0xff;
    assert!(!other.fxrstor(&image));
}

#[test]
fn random_bytes_as_code_never_panic() {
    let mut seed = 0x1234_5678_9abc_def1u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let cache = CodeCache::with_cap(20_000);
    for _ in 0..3000 {
        let code: Vec<u8> = (0..512).flat_map(|_| next().to_le_bytes()).collect();
        let mut m = Machine::with(&cache, &code);
        for r in 0..16 {
            m.cpu.gpr[r] = match next() % 4 {
                0 => next(),
                1 => CODE + next() % 0x1000,
                _ => DATA + next() % 0x2000,
            };
        }
        for _ in 0..8 {
            m.cpu.rip = CODE + next() % 0x1000;
            m.cpu.set_rflags(next() & !0x100);
            run(&mut m.cpu, &mut m.mem, &mut 2000);
        }
    }
}
