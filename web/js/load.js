// The worker's end of a start: fetches the engine and the host's root file system, compiling while the bytes come. Here
// and not in the page, whose own thread has the first picture to draw meanwhile.
import { toRelative } from './branches.js';

/** @typedef {{ module: Promise<WebAssembly.Module | null>, rootfs: Promise<ArrayBuffer> }} Parts */

/** How far apart two reports of progress are, in ms. */
const REPORT_MS = 50;

/** @param {Response} response @param {string} what */
function checked(response, what) {
  if (!response.ok) throw new Error(`${what} could not be fetched: ${response.status} ${response.statusText}`);
  return response;
}

/**
 * Counts a response's bytes without taking them.
 * @param {Response} response @param {(loaded: number) => void} progress
 */
async function count(response, progress) {
  const reader = response.clone().body?.getReader();
  let loaded = 0;
  let reported = performance.now();
  for (;;) {
    const part = await reader?.read();
    if (!part?.value) return;
    loaded += part.value.length;
    if (performance.now() - reported < REPORT_MS) continue;
    reported = performance.now();
    progress(loaded);
  }
}

/**
 * Begins at once.
 * @param {string} site
 * @param {((loaded: number) => void) | null} progress told of the engine's bytes, of BOTTLESHIP_WASM_SIZE; null costs less
 * @returns {Parts}
 */
export function load(site, progress) {
  const module = async () => {
    if (!BOTTLESHIP_WASM) return null;
    const response = checked(await fetch(new URL(BOTTLESHIP_WASM, import.meta.url)), 'the engine');
    if (progress) void count(response, progress).catch(() => {});
    return WebAssembly.compileStreaming(response);
  };
  const rootfs = async () => {
    const response = checked(await fetch(BOTTLESHIP_HOST ? new URL(BOTTLESHIP_HOST, import.meta.url) : new URL('./host.tar', site)), 'the host’s root file system');
    const bytes = await response.arrayBuffer();
    if (BOTTLESHIP_HOST) toRelative(new Uint8Array(bytes));
    return bytes;
  };
  const parts = { module: module(), rootfs: rootfs() };
  // Whoever takes them hears of it; until then it is no unhandled rejection.
  for (const part of Object.values(parts)) part.catch(() => {});
  return parts;
}
