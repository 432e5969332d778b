//! The initial stack: strings, auxiliary vector, pointers (`arch/x86`'s System V ABI, figure 3.9).

use bottleship_abi::Errno;
use bottleship_abi::mm::{MAP_FIXED, MAP_GROWSDOWN, PROT_EXEC, PROT_READ, PROT_WRITE};
use bottleship_abi::process::*;

use super::load::anonymous;
use crate::mm::{Mm, STACK_TOP};

/// Bytes of stack mapped at once; it grows from there.
const INITIAL: u64 = 132 * 1024;

/// What goes onto the stack.
pub struct Contents<'a> {
    pub argv: &'a [Vec<u8>],
    pub envp: &'a [Vec<u8>],
    /// The name it was executed by (`AT_EXECFN`).
    pub execfn: &'a [u8],
    pub random: [u8; 16],
    /// Entries before those that point into the stack.
    pub auxv: Vec<(u64, u64)>,
    pub executable: bool,
}

/// Bytes that arguments and environment need, pointers included.
pub fn strings_size(argv: &[Vec<u8>], envp: &[Vec<u8>]) -> u64 {
    argv.iter()
        .chain(envp)
        .map(|string| string.len() as u64 + 9)
        .sum()
}

/// Builds the stack; the stack pointer.
pub fn build(mm: &Mm, contents: &Contents) -> Result<u64, Errno> {
    let prot = PROT_READ | PROT_WRITE | if contents.executable { PROT_EXEC } else { 0 };
    let need = strings_size(contents.argv, contents.envp) + 16384;
    let len = crate::mm::page_up(need.max(INITIAL)).ok_or(Errno::E2BIG)?;
    mm.map(anonymous(
        STACK_TOP - len,
        len,
        prot,
        MAP_FIXED | MAP_GROWSDOWN,
    ))?;

    // From the top: a zero word, the file name, environment, arguments, platform, random bytes.
    let mut at = STACK_TOP - 8;
    let mut push = |bytes: &[u8]| -> Result<u64, Errno> {
        at -= bytes.len() as u64 + 1;
        mm.write(at, bytes)?;
        Ok(at)
    };
    let execfn = push(contents.execfn)?;
    let mut env_at = vec![0; contents.envp.len()];
    for (slot, string) in env_at.iter_mut().zip(contents.envp).rev() {
        *slot = push(string)?;
    }
    let mut arg_at = vec![0; contents.argv.len()];
    for (slot, string) in arg_at.iter_mut().zip(contents.argv).rev() {
        *slot = push(string)?;
    }
    let strings = at;
    let platform = (strings & !15) - 16;
    mm.write(platform, b"x86_64\0")?;
    let random = platform - 16;
    mm.write(random, &contents.random)?;

    let env_start = env_at.first().copied().unwrap_or(execfn);
    mm.args.set((strings, env_start));
    mm.env.set((env_start, execfn));

    let mut auxv = contents.auxv.clone();
    auxv.extend([
        (AT_RANDOM, random),
        (AT_EXECFN, execfn),
        (AT_PLATFORM, platform),
        (AT_NULL, 0),
    ]);
    let mut words = vec![contents.argv.len() as u64];
    words.extend(&arg_at);
    words.push(0);
    words.extend(&env_at);
    words.push(0);
    let vector: Vec<u64> = auxv
        .iter()
        .flat_map(|&(kind, value)| [kind, value])
        .collect();
    words.extend(&vector);
    let sp = (random - words.len() as u64 * 8) & !15;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    mm.write(sp, &bytes)?;
    mm.auxv
        .replace(vector.iter().flat_map(|word| word.to_le_bytes()).collect());
    Ok(sp)
}
