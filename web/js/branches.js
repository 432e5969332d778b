// Machine code that compresses better: x86-64's operands that are relative to the instruction become absolute, so that
// two calls of one function hold the same bytes (what xz calls a branch filter, here with memory operands relative to the
// instruction pointer, too). The program in the host's root file system is an eighth smaller on the way for it.

/** What follows an operand relative to rip, in bytes, plus one; 0 for opcodes that have none that would pay. */
const MEMORY = new Uint8Array(256);
for (const opcode of [0x38, 0x39, 0x3a, 0x3b, 0x63, 0x84, 0x85, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0xff]) MEMORY[opcode] = 1;
for (const opcode of [0x80, 0x83, 0xc6, 0xf6]) MEMORY[opcode] = 2;
for (const opcode of [0x81, 0xc7]) MEMORY[opcode] = 5;

/** Bytes of the longest opcode, operand and what follows it. */
const LONGEST = 11;

/**
 * Changes every operand that `change` finds at a place; what is found does not depend on what it was changed to.
 * @param {Uint8Array} bytes
 * @param {(view: DataView, at: number, next: number) => void} change the operand is at `at`, the next instruction at `next`
 */
function each(bytes, change) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i + LONGEST <= bytes.length; ) {
    const opcode = bytes[i];
    let at = 0;
    let tail = 0;
    // call, jmp; jcc; memory
    if ((opcode & 0xfe) === 0xe8) at = i + 1;
    else if (opcode === 0x0f && (bytes[i + 1] & 0xf0) === 0x80) at = i + 2;
    else if (MEMORY[opcode] && (bytes[i + 1] & 0xc7) === 0x05) {
      at = i + 2;
      tail = MEMORY[opcode] - 1;
    }
    if (at) change(view, at, at + 4 + tail);
    i = at ? at + 4 : i + 1;
  }
}

/**
 * Makes operands absolute, big-endian. Those that lead out of the bytes keep their value; the two ways into the range
 * take turns, so that each has one way back.
 * @param {Uint8Array} bytes changed in place
 */
export function toAbsolute(bytes) {
  const size = bytes.length;
  each(bytes, (view, at, next) => {
    let value = view.getInt32(at, true);
    if (value >= -next && value < size) value += value < size - next ? next : -size;
    view.setInt32(at, value);
  });
}

/** Undoes {@link toAbsolute}. @param {Uint8Array} bytes changed in place */
export function toRelative(bytes) {
  const size = bytes.length;
  each(bytes, (view, at, next) => {
    let value = view.getInt32(at);
    if (value >= -next && value < size) value += value >= 0 ? -next : size;
    view.setInt32(at, value, true);
  });
}
