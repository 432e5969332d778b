//! The ops that aren't inline in the interpreter's loop, called by code.

use super::{alu, bits, muldiv, sse, string, system, x87};
use crate::cpu::Cpu;
use crate::mem::Inner;
use crate::ops::{Code, Op};

/// Carries out one helper op. False, with `mem.stop` set, if it couldn't; then nothing was done.
#[inline(never)]
pub fn call(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let code = op.code as u16;
    if code >= Code::Fld32 as u16 {
        return x87::call(cpu, mem, op);
    }
    if code >= Code::LoadX32 as u16 {
        return sse::call(cpu, mem, op);
    }
    match op.code {
        Code::AdcR => alu::adc_r(cpu, op),
        Code::AdcI => alu::adc_i(cpu, op),
        Code::SbbR => alu::sbb_r(cpu, op),
        Code::SbbI => alu::sbb_i(cpu, op),
        Code::IncKeep => alu::inc_keep(cpu, op),
        Code::DecKeep => alu::dec_keep(cpu, op),
        Code::ShiftShl => alu::shl(cpu, op),
        Code::ShiftShr => alu::shr(cpu, op),
        Code::ShiftSar => alu::sar(cpu, op),
        Code::ShiftRol => alu::rol(cpu, op),
        Code::ShiftRor => alu::ror(cpu, op),
        Code::ShiftRcl => alu::rcl(cpu, op),
        Code::ShiftRcr => alu::rcr(cpu, op),
        Code::Shld => alu::shld(cpu, op),
        Code::Shrd => alu::shrd(cpu, op),
        Code::Xadd => alu::xadd(cpu, op),
        Code::Cmpxchg => alu::cmpxchg(cpu, op),
        Code::Mul => muldiv::mul(cpu, op),
        Code::ImulWide => muldiv::imul_wide(cpu, op),
        Code::ImulR => muldiv::imul_r(cpu, op),
        Code::ImulI => muldiv::imul_i(cpu, op),
        Code::Div => return muldiv::div(cpu, mem, op),
        Code::Idiv => return muldiv::idiv(cpu, mem, op),
        Code::Cmpxchg8b => return system::cmpxchg8b(cpu, mem, op),
        Code::Cmpxchg16b => return system::cmpxchg16b(cpu, mem, op),
        Code::Bt => bits::bt(cpu, op),
        Code::Bts => bits::bts(cpu, op),
        Code::Btr => bits::btr(cpu, op),
        Code::Btc => bits::btc(cpu, op),
        Code::BitAddress => bits::bit_address(cpu, op),
        Code::Bsf => bits::bsf(cpu, op),
        Code::Bsr => bits::bsr(cpu, op),
        Code::Tzcnt => bits::tzcnt(cpu, op),
        Code::Lzcnt => bits::lzcnt(cpu, op),
        Code::Popcnt => bits::popcnt(cpu, op),
        Code::Movbe => bits::movbe(cpu, op),
        Code::Crc32 => bits::crc32(cpu, op),
        Code::Lahf => bits::lahf(cpu),
        Code::Sahf => bits::sahf(cpu),
        Code::Clc => bits::set_carry(cpu, |_| 0),
        Code::Stc => bits::set_carry(cpu, |_| 1),
        Code::Cmc => bits::set_carry(cpu, |cf| !cf),
        Code::Cld => bits::set_direction(cpu, false),
        Code::Std => bits::set_direction(cpu, true),
        Code::GetFlags => {
            let flags = cpu.rflags();
            super::int::set_gpr::<u64>(cpu, op.d, flags);
        }
        Code::SetFlags => system::set_flags(cpu, op),
        Code::Cpuid => system::cpuid(cpu),
        Code::Rdtsc => system::rdtsc(cpu),
        Code::Rdtscp => system::rdtscp(cpu),
        Code::Rdpid => {
            let value = u64::from(cpu.tsc_aux);
            super::int::set_gpr::<u64>(cpu, op.d, value);
        }
        Code::Enter => return system::enter(cpu, mem, op),
        Code::Push16 => return system::push16(cpu, mem, op),
        Code::Pop16 => return system::pop16(cpu, mem, op),
        Code::Movs => return string::movs(cpu, mem, op),
        Code::Stos => return string::stos(cpu, mem, op),
        Code::Lods => return string::lods(cpu, mem, op),
        Code::Scas => return string::scas(cpu, mem, op),
        Code::Cmps => return string::cmps(cpu, mem, op),
        _ => {
            mem.stop = Some(crate::mem::Stop::Exit(crate::exit::Exit::InvalidOpcode));
            return false;
        }
    }
    true
}
