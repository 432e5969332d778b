//! Random values of the kinds that instructions are sensitive to.

use super::Rng;

/// A number as programs and their borders have them.
pub fn value(rng: &mut Rng) -> u64 {
    match rng.below(12) {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << rng.below(64),
        3 => (1 << rng.below(64)) - 1,
        4 => rng.below(256),
        5 => rng.pick(&[
            0x7f,
            0x80,
            0x7fff,
            0x8000,
            0x7fff_ffff,
            0x8000_0000,
            0x7fff_ffff_ffff_ffff,
            1 << 63,
        ]),
        6 => rng.next() as u32 as u64,
        7 => rng.next() as i32 as i64 as u64,
        8 => float64(rng),
        9 => float32(rng) as u64 | (float32(rng) as u64) << 32,
        _ => rng.next(),
    }
}

pub fn float64(rng: &mut Rng) -> u64 {
    let sign = rng.next() & (1 << 63);
    sign | match rng.below(10) {
        0 => 0,
        1 => 0x7ff0_0000_0000_0000,
        2 => 0x7ff8_0000_0000_0000 | rng.next() >> 13,
        3 => 0x7ff0_0000_0000_0001 | rng.next() >> 14,
        4 => rng.next() >> 12 >> rng.below(52),
        5 => (rng.below(1000) as f64 / 8.0).to_bits(),
        6 => (rng.next() as i64 as f64).abs().to_bits(),
        7 => (rng.below(2047) << 52) | rng.next() >> 12,
        _ => (0x3ff - 40 + rng.below(80)) << 52 | rng.next() >> 12,
    }
}

pub fn float32(rng: &mut Rng) -> u32 {
    let sign = rng.next() as u32 & (1 << 31);
    sign | match rng.below(9) {
        0 => 0,
        1 => 0x7f80_0000,
        2 => 0x7fc0_0000 | rng.next() as u32 >> 10,
        3 => 0x7f80_0001 | rng.next() as u32 >> 11,
        4 => rng.next() as u32 >> 9 >> rng.below(23),
        5 => (rng.below(1000) as f32 / 8.0).to_bits(),
        6 => (rng.below(255) as u32) << 23 | rng.next() as u32 >> 9,
        _ => (0x7f - 30 + rng.below(60) as u32) << 23 | rng.next() as u32 >> 9,
    }
}

pub fn float80(rng: &mut Rng) -> [u8; 10] {
    let mut sig = rng.next() | 1 << 63;
    let mut exp = match rng.below(9) {
        0 => 0,
        1 => 0x7fff,
        2 => rng.below(0x8000) as u16,
        _ => 0x3fff - 70 + rng.below(140) as u16,
    };
    match rng.below(10) {
        0 => sig = 1 << 63,
        1 => sig = rng.next() | 3 << 62,
        2 if exp == 0 => sig = 0,
        3 if exp == 0 => sig &= !(1 << 63),
        4 => sig &= u64::MAX << 40,
        5 => sig &= u64::MAX << 11,
        // Formats that the processor no longer supports.
        6 if rng.one_in(4) => sig &= !(1 << 63),
        _ => {}
    }
    if rng.next() & 1 != 0 {
        exp |= 0x8000;
    }
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&sig.to_le_bytes());
    bytes[8..].copy_from_slice(&exp.to_le_bytes());
    bytes
}

pub fn fx_image(rng: &mut Rng) -> [u8; 512] {
    let mut fx = [0; 512];
    let control: u16 = if rng.one_in(3) {
        0x3f | rng.pick(&[0, 0x200, 0x300]) | (rng.below(4) as u16) << 10
    } else {
        0x37f
    };
    fx[0..2].copy_from_slice(&(control | 0x40).to_le_bytes());
    let status = (rng.below(8) as u16) << 11 | rng.next() as u16 & 0x4700;
    fx[2..4].copy_from_slice(&status.to_le_bytes());
    fx[4] = if rng.one_in(3) {
        rng.next() as u8
    } else {
        0xff
    };
    let mxcsr: u32 = if rng.one_in(4) {
        0x1f80 | (rng.next() as u32 & 0xe040)
    } else {
        0x1f80
    };
    fx[24..28].copy_from_slice(&mxcsr.to_le_bytes());
    for r in 0..8 {
        fx[32 + 16 * r..][..10].copy_from_slice(&float80(rng));
    }
    for x in 0..16 {
        for half in 0..2 {
            let v = match rng.below(3) {
                0 => float64(rng),
                1 => float32(rng) as u64 | (float32(rng) as u64) << 32,
                _ => value(rng),
            };
            fx[160 + 16 * x + 8 * half..][..8].copy_from_slice(&v.to_le_bytes());
        }
    }
    fx
}
