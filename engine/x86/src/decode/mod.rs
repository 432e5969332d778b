//! From guest code to basic blocks of micro-ops.
//!
//! A block holds up to [`MAX_INSTRUCTIONS`] instructions of one page, follows direct jumps within the page, and ends
//! with a branch, or where the page does. An instruction that crosses into the next page is a block of its own.

mod control;
mod integer;
mod liveness;
mod lower;
mod sse;
mod x87;

use crate::code::Draft;
use crate::exit::Access;
use crate::mem::{Inner, Stop};
use bottleship_page::{PAGE_SIZE, Page};
use iced_x86::{Decoder, DecoderError, DecoderOptions, FlowControl, Instruction, Mnemonic};
use lower::Lower;
pub use lower::Raise;

/// The most instructions that a block holds.
pub const MAX_INSTRUCTIONS: usize = 48;
/// The longest instruction, in bytes.
const MAX_LENGTH: usize = 15;

/// A block that isn't in the cache yet, and the pages it was made from.
pub struct Translation {
    pub draft: Draft,
    pub page: Page,
    pub beyond: Option<Page>,
}

/// Translates the block at `rip`, or only its first instruction, without fusing it with others, if `alone`.
pub fn translate(mem: &Inner, rip: u64, alone: bool) -> Result<Translation, Stop> {
    let page = mem
        .lookup(rip, Access::Exec)
        .map_err(Stop::Fault)?
        .page
        .clone();
    let offset = rip as usize % PAGE_SIZE;
    let mut bytes = [0; PAGE_SIZE];
    page.read(0, &mut bytes);

    let mut code: Vec<Instruction> = Vec::with_capacity(16);
    let mut decoder = Decoder::with_ip(64, &bytes, rip & !0xfff, DecoderOptions::NONE);
    seek(&mut decoder, rip);
    let limit = if alone { 1 } else { MAX_INSTRUCTIONS };
    while code.len() < limit {
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            if decoder.last_error() == DecoderError::NoMoreBytes {
                if code.is_empty() {
                    return crossing(mem, rip, page, &bytes[offset..]);
                }
                break;
            }
            code.push(instruction);
            break;
        }
        code.push(instruction);
        let ends = match instruction.flow_control() {
            FlowControl::Next => matches!(instruction.mnemonic(), Mnemonic::Popf | Mnemonic::Popfq),
            FlowControl::UnconditionalBranch => {
                let target = instruction.near_branch_target();
                let follow =
                    !alone && target >> 12 == rip >> 12 && !code.iter().any(|i| i.ip() == target);
                if follow && code.len() < limit {
                    seek(&mut decoder, target);
                }
                !follow
            }
            _ => true,
        };
        if ends {
            break;
        }
        if decoder.position() == decoder.max_position() {
            break;
        }
    }
    let draft = Lower::block(rip, &code, alone, Some(&bytes));
    Ok(Translation {
        draft,
        page,
        beyond: None,
    })
}

/// Makes the decoder of a page go on at an address in it.
fn seek(decoder: &mut Decoder<'_>, addr: u64) {
    // An offset in the page, which is what the decoder has; so this can't fail.
    if decoder.set_position(addr as usize % PAGE_SIZE).is_ok() {
        decoder.set_ip(addr);
    }
}

/// Translates the one instruction at the end of a page that reaches into the next one.
fn crossing(mem: &Inner, rip: u64, page: Page, head: &[u8]) -> Result<Translation, Stop> {
    let next = rip.wrapping_add(head.len() as u64);
    let beyond = mem
        .lookup(next, Access::Exec)
        .map_err(Stop::Fault)?
        .page
        .clone();
    let mut bytes = [0; 2 * MAX_LENGTH];
    let n = head.len().min(MAX_LENGTH);
    bytes[..n].copy_from_slice(&head[..n]);
    beyond.read(0, &mut bytes[n..n + MAX_LENGTH]);
    let instruction =
        Decoder::with_ip(64, &bytes[..n + MAX_LENGTH], rip, DecoderOptions::NONE).decode();
    let draft = Lower::block(rip, &[instruction], true, None);
    Ok(Translation {
        draft,
        page,
        beyond: Some(beyond),
    })
}
