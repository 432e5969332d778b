//! Which arithmetic flags are read before they are written again; what isn't needs no work.
//!
//! Flags are reckoned with instruction by instruction, so on a fault in mid-block the flags that the rest of the block
//! overwrites unread may be old.

use super::seek;
use bottleship_page::PAGE_SIZE;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, RflagsBits};

/// A set of arithmetic flags, as `RflagsBits`.
pub type Set = u32;

pub const ALL: Set = RflagsBits::OF
    | RflagsBits::SF
    | RflagsBits::ZF
    | RflagsBits::AF
    | RflagsBits::CF
    | RflagsBits::PF;
pub const CARRY: Set = RflagsBits::CF;

/// How many instructions beyond a block's end are looked at.
const AHEAD: usize = 4;

/// What an instruction reads.
pub fn reads(i: &Instruction) -> Set {
    i.rflags_read() & ALL
}

/// What it may write.
pub fn writes(i: &Instruction) -> Set {
    i.rflags_modified() & ALL
}

/// What it writes for certain: a shift by cl, or a repeated comparison, may leave the flags as they are.
pub fn kills(i: &Instruction) -> Set {
    let certain = match i.mnemonic() {
        Mnemonic::Shl
        | Mnemonic::Sal
        | Mnemonic::Shr
        | Mnemonic::Sar
        | Mnemonic::Rol
        | Mnemonic::Ror
        | Mnemonic::Rcl
        | Mnemonic::Rcr => i.op1_kind() == OpKind::Immediate8 && i.immediate8() & 0x1f != 0,
        Mnemonic::Shld | Mnemonic::Shrd => {
            i.op2_kind() == OpKind::Immediate8 && i.immediate8() & 0x1f != 0
        }
        Mnemonic::Cmpsb
        | Mnemonic::Cmpsw
        | Mnemonic::Cmpsd
        | Mnemonic::Cmpsq
        | Mnemonic::Scasb
        | Mnemonic::Scasw
        | Mnemonic::Scasd
        | Mnemonic::Scasq => !i.has_rep_prefix() && !i.has_repne_prefix(),
        _ => true,
    };
    if certain { writes(i) } else { 0 }
}

/// What may be read after a jump to `target`, judging by the next few instructions there, if they are in this page.
pub fn at(page: &[u8; PAGE_SIZE], base: u64, target: u64) -> Set {
    if target >> 12 != base >> 12 {
        return ALL;
    }
    let mut decoder = Decoder::with_ip(64, page, base & !0xfff, DecoderOptions::NONE);
    seek(&mut decoder, target);
    let (mut live, mut unknown) = (0, ALL);
    for _ in 0..AHEAD {
        let i = decoder.decode();
        if i.is_invalid() {
            break;
        }
        live |= reads(&i) & unknown;
        unknown &= !kills(&i);
        if unknown == 0 || i.flow_control() != FlowControl::Next {
            break;
        }
    }
    live | unknown
}
