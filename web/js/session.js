// A session as a log: the commands that were run and the files that were written, in a link's fragment and back.
// A link comes from a stranger: sizes are capped, the form is checked, nothing is run by reading it.

/** @typedef {{ run: string } | { write: string, text: string }} Entry a command line as typed, or a text file of the host */

const VERSION = 1;
const PREFIX = '#session=';
/** Characters of a link, bytes of what it holds, entries, characters of a command and of a file. */
export const CAPS = { link: 16_000, bytes: 256_000, entries: 200, run: 4096, text: 64_000, path: 1024 };

/** @param {Uint8Array<ArrayBuffer>} data @param {GenericTransformStream} through @param {number} max bytes */
async function piped(data, through, max) {
  const reader = new Blob([data]).stream().pipeThrough(/** @type {any} */ (through)).getReader();
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > max) {
      await reader.cancel();
      throw new Error(`it holds more than ${max} bytes`);
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @param {string} text a command @returns {boolean} whether it is only what can be typed */
const typable = (text) => !/[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(text);

/** @param {unknown} value @returns {Entry[]} @throws when it is not a session */
export function checked(value) {
  const wrong = (/** @type {string} */ what) => new Error(`the link is not a session: ${what}`);
  if (typeof value !== 'object' || value === null) throw wrong('not an object');
  const { v, log } = /** @type {Record<string, unknown>} */ (value);
  if (v !== VERSION) throw wrong(`version ${String(v).slice(0, 20)}`);
  if (!Array.isArray(log) || log.length > CAPS.entries) throw wrong(`it must have at most ${CAPS.entries} steps`);
  return log.map((e, i) => {
    const keys = typeof e === 'object' && e !== null ? Object.keys(e).sort().join() : '';
    if (keys === 'run' && typeof e.run === 'string' && e.run.length <= CAPS.run && typable(e.run)) return { run: e.run };
    if (keys === 'text,write' && typeof e.write === 'string' && typeof e.text === 'string' && /^\/[^\0]*$/.test(e.write) && e.write.length <= CAPS.path && e.text.length <= CAPS.text) return { write: e.write, text: e.text };
    throw wrong(`step ${i + 1}`);
  });
}

/** @param {Entry[]} log @returns {Promise<string>} a fragment @throws when it is too large for a link */
export async function toFragment(log) {
  const bytes = new TextEncoder().encode(JSON.stringify({ v: VERSION, log }));
  checked(JSON.parse(new TextDecoder().decode(bytes)));
  const packed = await piped(bytes, new CompressionStream('deflate-raw'), CAPS.bytes);
  const fragment = PREFIX + btoa(String.fromCharCode(...packed)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  if (fragment.length > CAPS.link) throw new Error('this session is too long for a link');
  return fragment;
}

/** @param {string} fragment */
export const isSession = (fragment) => fragment.startsWith(PREFIX);

/** @param {string} fragment @returns {Promise<Entry[]>} @throws in words for the reader */
export async function fromFragment(fragment) {
  const body = fragment.slice(PREFIX.length);
  if (body.length > CAPS.link || !/^[\w-]+$/.test(body)) throw new Error('the link is not a session: not of its characters, or too long');
  let text;
  try {
    const packed = Uint8Array.from(atob(body.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    text = new TextDecoder('utf-8', { fatal: true }).decode(await piped(packed, new DecompressionStream('deflate-raw'), CAPS.bytes));
  } catch (error) {
    throw new Error(`the link is damaged or cut off (${/** @type {Error} */ (error).message})`);
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('the link is damaged');
  }
  return checked(value);
}

/**
 * Text as it is: characters that are not seen, or that turn the order of others, become marks.
 * @param {string} text
 */
export function seen(text) {
  return text.replace(/[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]|\udb40[\udc00-\uddef]/g, (c) => `⟨U+${/** @type {number} */ (c.codePointAt(0)).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}
