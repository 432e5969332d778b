// The filter for machine code gives back what it got, whatever that was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toAbsolute, toRelative } from '../../web/js/branches.js';

/** Bytes that are always the same ones, with the filter's opcodes among them more often than by chance. */
function bytes(seed, length) {
  const often = [0xe8, 0xe9, 0x0f, 0x85, 0x8b, 0x8d, 0xc7, 0x05, 0x3d, 0x00, 0xff];
  let state = seed;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8;
  return Uint8Array.from({ length }, () => (next() % 2 ? often[next() % often.length] : next()));
}

test('what was made absolute is made relative again', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const before = bytes(seed, seed * 17);
    const after = before.slice();
    toAbsolute(after);
    toRelative(after);
    assert.deepEqual(after, before, `seed ${seed}`);
  }
});

test('two calls of one function hold the same bytes', () => {
  const code = new Uint8Array(400).fill(0x90);
  const view = new DataView(code.buffer);
  for (const at of [10, 300]) {
    code[at] = 0xe8;
    view.setInt32(at + 1, 200 - (at + 5), true);
  }
  // lea rdi, [rip + …], movl $1, [rip + …]
  code.set([0x48, 0x8d, 0x3d], 50);
  view.setInt32(53, 200 - 57, true);
  code.set([0xc7, 0x05], 100);
  view.setInt32(102, 200 - 110, true);
  view.setInt32(106, 1, true);
  toAbsolute(code);
  for (const operand of [11, 301, 53, 102]) assert.equal(view.getInt32(operand), 200);
});
