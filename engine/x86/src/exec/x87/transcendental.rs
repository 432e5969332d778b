//! transcendental
use crate::ops::Code;
use crate::x87::X87;
pub fn call(_x87: &mut X87, _code: Code) {}
