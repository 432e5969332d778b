//! ELF headers (`elf(5)`), x86-64 executables and shared objects only.

use bottleship_abi::{Errno, get_u16, get_u32, get_u64};

/// A fixed-address program.
pub const ET_EXEC: u16 = 2;
/// A position-independent program or a library.
pub const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PHENT: usize = 56;
/// As the kernel: the program headers fit in 64 KiB.
const MAX_PHDRS: u16 = 1170;

/// A segment to load; sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub flags: u32,
    pub offset: u64,
    pub vaddr: u64,
    pub filesz: u64,
    pub memsz: u64,
    pub align: u64,
}

/// What the headers say.
#[derive(Clone, Debug)]
pub struct Elf {
    pub kind: u16,
    pub entry: u64,
    pub phoff: u64,
    pub phnum: u16,
    pub segments: Vec<Segment>,
    /// Where the interpreter's name is in the file.
    pub interp: Option<(u64, u64)>,
    pub exec_stack: bool,
}

impl Elf {
    /// Parses the headers, read through `read(offset, buf)`. `ENOEXEC` for what is no program for this machine.
    pub fn parse(
        mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, Errno>,
    ) -> Result<Elf, Errno> {
        let mut header = [0; 64];
        if read(0, &mut header)? < header.len() || header[..7] != *b"\x7fELF\x02\x01\x01" {
            return Err(Errno::ENOEXEC);
        }
        let kind = get_u16(&header, 16);
        let machine = get_u16(&header, 18);
        let phoff = get_u64(&header, 32);
        let (phent, phnum) = (get_u16(&header, 54), get_u16(&header, 56));
        if machine != EM_X86_64 || !matches!(kind, ET_EXEC | ET_DYN) || usize::from(phent) != PHENT
        {
            return Err(Errno::ENOEXEC);
        }
        if phnum == 0 || phnum > MAX_PHDRS {
            return Err(Errno::ENOEXEC);
        }
        let mut table = vec![0; usize::from(phnum) * PHENT];
        if read(phoff, &mut table)? < table.len() {
            return Err(Errno::ENOEXEC);
        }
        let mut elf = Elf {
            kind,
            entry: get_u64(&header, 24),
            phoff,
            phnum,
            segments: Vec::new(),
            interp: None,
            exec_stack: false,
        };
        for entry in table.chunks_exact(PHENT) {
            let segment = Segment {
                flags: get_u32(entry, 4),
                offset: get_u64(entry, 8),
                vaddr: get_u64(entry, 16),
                filesz: get_u64(entry, 32),
                memsz: get_u64(entry, 40),
                align: get_u64(entry, 48),
            };
            match get_u32(entry, 0) {
                PT_LOAD if segment.memsz > 0 => elf.add_segment(segment)?,
                PT_INTERP if elf.interp.is_none() => {
                    if !(2..=4096).contains(&segment.filesz) {
                        return Err(Errno::ENOEXEC);
                    }
                    elf.interp = Some((segment.offset, segment.filesz));
                }
                PT_GNU_STACK => elf.exec_stack = segment.flags & 1 != 0,
                _ => {}
            }
        }
        if elf.segments.is_empty() {
            return Err(Errno::ENOEXEC);
        }
        Ok(elf)
    }

    fn add_segment(&mut self, segment: Segment) -> Result<(), Errno> {
        let end = segment
            .vaddr
            .checked_add(segment.memsz)
            .ok_or(Errno::ENOEXEC)?;
        let sane = segment.filesz <= segment.memsz
            && end <= crate::mm::TASK_SIZE
            && segment
                .offset
                .checked_add(segment.filesz)
                .is_some_and(|end| end < 1 << 47)
            && segment.vaddr % 4096 == segment.offset % 4096
            && self
                .segments
                .last()
                .is_none_or(|before| before.vaddr <= segment.vaddr);
        if !sane {
            return Err(Errno::ENOEXEC);
        }
        self.segments.push(segment);
        Ok(())
    }

    /// The lowest address, page-aligned, and the end of the highest.
    pub fn span(&self) -> (u64, u64) {
        let low = self
            .segments
            .first()
            .map_or(0, |segment| segment.vaddr & !4095);
        let high = self
            .segments
            .iter()
            .map(|segment| segment.vaddr + segment.memsz)
            .max()
            .unwrap_or(0);
        (low, high)
    }

    /// Where the program headers are in memory, before the load bias.
    pub fn phdr_addr(&self) -> u64 {
        self.segments
            .iter()
            .find(|s| (s.offset..s.offset + s.filesz).contains(&self.phoff))
            .map_or(0, |s| s.vaddr + (self.phoff - s.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(image: &[u8]) -> Result<Elf, Errno> {
        Elf::parse(|offset, buf| {
            let rest = image.get(offset as usize..).unwrap_or_default();
            let n = rest.len().min(buf.len());
            buf[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        })
    }

    fn image(phnum: u16, segment: Segment) -> Vec<u8> {
        let mut image = vec![0; 64];
        image[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        image[16] = 2;
        image[18] = 62;
        image[32] = 64;
        image[54] = 56;
        image[56..58].copy_from_slice(&phnum.to_le_bytes());
        image.extend(1u32.to_le_bytes());
        image.extend(segment.flags.to_le_bytes());
        for word in [
            segment.offset,
            segment.vaddr,
            0,
            segment.filesz,
            segment.memsz,
            segment.align,
        ] {
            image.extend(word.to_le_bytes());
        }
        image
    }

    const GOOD: Segment = Segment {
        flags: 5,
        offset: 0,
        vaddr: 0x400000,
        filesz: 100,
        memsz: 200,
        align: 4096,
    };

    #[test]
    fn a_program_is_parsed() {
        let elf = parse(&image(1, GOOD)).unwrap();
        assert_eq!(elf.segments, [GOOD]);
        assert_eq!(elf.span(), (0x400000, 0x4000c8));
        assert_eq!(elf.phdr_addr(), 0x400040);
    }

    #[test]
    fn hostile_headers_are_refused() {
        assert_eq!(parse(b"").unwrap_err(), Errno::ENOEXEC);
        assert_eq!(parse(&image(1, GOOD)[..90]).unwrap_err(), Errno::ENOEXEC);
        assert_eq!(parse(&image(60000, GOOD)).unwrap_err(), Errno::ENOEXEC);
        for bad in [
            Segment {
                filesz: 300,
                ..GOOD
            },
            Segment {
                vaddr: u64::MAX - 10,
                ..GOOD
            },
            Segment {
                memsz: u64::MAX,
                ..GOOD
            },
            Segment {
                offset: u64::MAX - 50,
                vaddr: 0x400000 + (u64::MAX - 50) % 4096,
                ..GOOD
            },
            Segment { offset: 1, ..GOOD },
        ] {
            assert_eq!(
                parse(&image(1, bad)).unwrap_err(),
                Errno::ENOEXEC,
                "{bad:?}"
            );
        }
    }
}
