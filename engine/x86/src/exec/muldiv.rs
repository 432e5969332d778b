//! Multiplication and division with rdx:rax. `x` is the operand size as a logarithm.

use super::bits::set_product;
use super::int::{gpr, set_gpr, set_gpr_sized, sext, zext};
use crate::cpu::{Cpu, reg};
use crate::exit::Exit;
use crate::mem::{Inner, Stop};
use crate::ops::Op;

const RAX: u8 = reg::RAX as u8;
const RDX: u8 = reg::RDX as u8;

/// Writes a double-width value to ax, or dx:ax, edx:eax, rdx:rax.
fn set_wide(cpu: &mut Cpu, log2: u8, value: u128) {
    if log2 == 0 {
        set_gpr::<u16>(cpu, RAX, value as u64);
    } else {
        set_gpr_sized(cpu, RAX, log2, value as u64);
        set_gpr_sized(cpu, RDX, log2, (value >> (8 << log2)) as u64);
    }
}

pub fn mul(cpu: &mut Cpu, op: &Op) {
    let (a, b) = (zext(cpu.gpr[reg::RAX], op.x), zext(gpr(cpu, op.s), op.x));
    let product = u128::from(a) * u128::from(b);
    set_wide(cpu, op.x, product);
    set_product(cpu, op.x, product as u64, product >> (8 << op.x) != 0);
}

pub fn imul_wide(cpu: &mut Cpu, op: &Op) {
    let (a, b) = (sext(cpu.gpr[reg::RAX], op.x), sext(gpr(cpu, op.s), op.x));
    let product = i128::from(a) * i128::from(b);
    set_wide(cpu, op.x, product as u128);
    set_product(
        cpu,
        op.x,
        product as u64,
        i128::from(sext(product as u64, op.x)) != product,
    );
}

fn imul(cpu: &mut Cpu, op: &Op, a: i64, b: i64) {
    let product = i128::from(a) * i128::from(b);
    set_product(
        cpu,
        op.x,
        product as u64,
        i128::from(sext(product as u64, op.x)) != product,
    );
    set_gpr_sized(cpu, op.d, op.x, product as u64);
}

pub fn imul_r(cpu: &mut Cpu, op: &Op) {
    imul(
        cpu,
        op,
        sext(gpr(cpu, op.d), op.x),
        sext(gpr(cpu, op.s), op.x),
    );
}

pub fn imul_i(cpu: &mut Cpu, op: &Op) {
    let imm = sext(op.imm as u64, op.x);
    imul(cpu, op, sext(gpr(cpu, op.s), op.x), imm);
}

fn dividend(cpu: &Cpu, log2: u8) -> u128 {
    if log2 == 0 {
        u128::from(cpu.gpr[reg::RAX] as u16)
    } else {
        let high = u128::from(zext(cpu.gpr[reg::RDX], log2));
        (high << (8 << log2)) | u128::from(zext(cpu.gpr[reg::RAX], log2))
    }
}

fn set_quotient(cpu: &mut Cpu, log2: u8, quotient: u64, remainder: u64) {
    if log2 == 0 {
        set_gpr::<u16>(cpu, RAX, (quotient & 0xff) | ((remainder & 0xff) << 8));
    } else {
        set_gpr_sized(cpu, RAX, log2, quotient);
        set_gpr_sized(cpu, RDX, log2, remainder);
    }
}

fn divide_error(mem: &mut Inner) -> bool {
    mem.stop = Some(Stop::Exit(Exit::DivideError));
    false
}

pub fn div(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let divisor = zext(gpr(cpu, op.s), op.x);
    if divisor == 0 {
        return divide_error(mem);
    }
    let n = dividend(cpu, op.x);
    let (quotient, remainder) = match u64::try_from(n) {
        Ok(n) => (u128::from(n / divisor), n % divisor),
        Err(_) => (n / u128::from(divisor), (n % u128::from(divisor)) as u64),
    };
    if quotient >> (8 << op.x) != 0 {
        return divide_error(mem);
    }
    set_quotient(cpu, op.x, quotient as u64, remainder);
    true
}

pub fn idiv(cpu: &mut Cpu, mem: &mut Inner, op: &Op) -> bool {
    let divisor = sext(gpr(cpu, op.s), op.x);
    if divisor == 0 {
        return divide_error(mem);
    }
    let shift = 128 - (16 << op.x);
    let n = (dividend(cpu, op.x) << shift) as i128 >> shift;
    let (quotient, remainder) = match i64::try_from(n) {
        Ok(n) if n != i64::MIN => (i128::from(n / divisor), n % divisor),
        _ => match n.checked_div(i128::from(divisor)) {
            Some(q) => (q, (n - q * i128::from(divisor)) as i64),
            None => return divide_error(mem),
        },
    };
    if i128::from(sext(quotient as u64, op.x)) != quotient {
        return divide_error(mem);
    }
    set_quotient(cpu, op.x, quotient as u64, remainder as u64);
    true
}
