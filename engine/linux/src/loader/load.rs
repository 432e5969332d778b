//! Mapping an ELF image into memory.

use bottleship_abi::Errno;
use bottleship_abi::mm::*;
use bottleship_vfs::Path;

use super::elf::{ET_DYN, Elf};
use crate::mm::{Backing, MapRequest, Mm, page_down, page_up};

const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// Where an image was put.
pub struct Loaded {
    /// What was added to its addresses.
    pub bias: u64,
    pub entry: u64,
    /// One more than its highest address.
    pub end: u64,
    pub phdr: u64,
}

/// Maps `elf`, the file at `path`. A position-independent one goes to `base`, or where there is room.
pub fn load(mm: &Mm, elf: &Elf, path: &Path, base: Option<u64>) -> Result<Loaded, Errno> {
    let (low, high) = elf.span();
    let bias = if elf.kind == ET_DYN {
        let len = page_up(high - low).ok_or(Errno::ENOMEM)?;
        let start = match base {
            Some(base) => base,
            None => {
                let start = mm.map(anonymous(0, len, 0, 0))?;
                mm.unmap(start, len)?;
                start
            }
        };
        start.wrapping_sub(low)
    } else {
        0
    };
    let inode = path.inode();
    for segment in &elf.segments {
        let prot = [(PF_R, PROT_READ), (PF_W, PROT_WRITE), (PF_X, PROT_EXEC)]
            .into_iter()
            .filter(|(flag, _)| segment.flags & flag != 0)
            .fold(0, |prot, (_, bit)| prot | bit);
        let start = bias.wrapping_add(segment.vaddr);
        let file_end = start.checked_add(segment.filesz).ok_or(Errno::ENOEXEC)?;
        let mem_end = start.checked_add(segment.memsz).ok_or(Errno::ENOEXEC)?;
        let file_top = page_up(file_end).ok_or(Errno::ENOEXEC)?;
        let mem_top = page_up(mem_end).ok_or(Errno::ENOEXEC)?;
        if segment.filesz > 0 {
            mm.map(MapRequest {
                addr: page_down(start),
                len: file_top - page_down(start),
                prot,
                max_prot: PROT_READ | PROT_WRITE | PROT_EXEC,
                flags: MAP_PRIVATE | MAP_FIXED,
                backing: Backing::File {
                    inode: inode.clone(),
                    offset: page_down(segment.offset),
                    path: Some(path.clone()),
                },
            })?;
        }
        let bss = if segment.filesz > 0 {
            file_top
        } else {
            page_down(start)
        };
        if mem_top > bss {
            mm.map(anonymous(bss, mem_top - bss, prot, MAP_FIXED))?;
        }
        // What follows the file's part in its last page is zero.
        if segment.filesz > 0 && mem_end > file_end && prot & PROT_WRITE != 0 {
            let zeros = [0; 4096];
            mm.write(file_end, &zeros[..(file_top - file_end) as usize])?;
        }
    }
    Ok(Loaded {
        bias,
        entry: bias.wrapping_add(elf.entry),
        end: bias.wrapping_add(high),
        phdr: bias.wrapping_add(elf.phdr_addr()),
    })
}

/// A private anonymous mapping.
pub fn anonymous(addr: u64, len: u64, prot: u32, flags: u32) -> MapRequest {
    MapRequest {
        addr,
        len,
        prot,
        max_prot: PROT_READ | PROT_WRITE | PROT_EXEC,
        flags: MAP_PRIVATE | MAP_ANONYMOUS | flags,
        backing: Backing::Anonymous,
    }
}
