//! x87
use super::lower::Lower;
use iced_x86::Instruction;
impl Lower<'_> {
    pub fn x87(&mut self, _i: &Instruction) -> bool {
        false
    }
}
