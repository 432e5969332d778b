//! x87
use crate::cpu::Cpu;
use crate::mem::Inner;
use crate::ops::Op;
pub fn call(_cpu: &mut Cpu, _mem: &mut Inner, _op: &Op) -> bool {
    false
}
