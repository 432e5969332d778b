// Runs the measurement of wasm.rs under V8: node bench.mjs MODULE PROGRAM [ARGS…]
import { readFileSync } from 'node:fs';

const [, , module, program, ...args] = process.argv;
const bytes = readFileSync(module);
const elf = readFileSync(program);
const { instance } = await WebAssembly.instantiate(bytes, {});
const wasm = instance.exports;

function pass(data) {
  const at = wasm.buffer(data.length);
  new Uint8Array(wasm.memory.buffer, at, data.length).set(data);
  return [at, data.length];
}

function measure(argv) {
  const guest = wasm.start(...pass(elf), ...pass(new TextEncoder().encode(argv.join('\n'))));
  const [wall, cpu] = [performance.now(), process.cpuUsage()];
  let done;
  do done = wasm.step(guest, 2e6); while (done >= 0);
  const used = process.cpuUsage(cpu);
  const seconds = (performance.now() - wall) / 1000;
  const output = new Uint8Array(wasm.memory.buffer, wasm.output(guest), wasm.output_len(guest));
  console.log(`${argv.join(' ')}\n  ${new TextDecoder().decode(output).trim()}  ${Math.round(-done / 1e6)} M instructions, ` +
    `${seconds.toFixed(2)} s (${((used.user + used.system) / 1e6).toFixed(2)} of CPU), ${Math.round(-done / 1e6 / seconds)} MIPS`);
}

console.log(`module: ${bytes.length} bytes`);
if (args.length) {
  measure(args);
} else {
  measure(['busybox', 'ash', '-c', 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo $i']);
  measure(['busybox', 'sha256sum']);
  measure(['busybox', 'md5sum']);
}
