// Everything that is stored, as a tar: one file a value, named BUCKET/KEY.
import { PageStore } from './store.js';

const encoder = new TextEncoder();

/** A ustar header, with a PAX one before it when the name is long. @param {string} name @param {number} size @param {string} type @returns {Uint8Array} */
function header(name, size, type = '0') {
  const block = new Uint8Array(512);
  const put = (/** @type {string} */ text, /** @type {number} */ at) => block.set(encoder.encode(text), at);
  const short = encoder.encode(name).subarray(0, 100);
  block.set(short, 0);
  put('0000644\0', 100);
  put('0000000\0', 108);
  put('0000000\0', 116);
  put(`${size.toString(8).padStart(11, '0')}\0`, 124);
  put('00000000000\0', 136);
  put('        ', 148);
  put(type, 156);
  put('ustar\x0000', 257);
  put(`${block.reduce((a, b) => a + b, 0).toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** @param {string} path */
function pax(path) {
  // The length counts itself.
  let line = ` path=${path}\n`;
  let length = encoder.encode(line).length;
  while (`${length}`.length + encoder.encode(line).length !== length) length = `${length}`.length + encoder.encode(line).length;
  return encoder.encode(`${length}${line}`);
}

/** @param {Uint8Array} data */
const padding = (data) => new Uint8Array((512 - (data.length % 512)) % 512);

/**
 * @param {string} name the database's
 * @returns {Promise<Uint8Array>}
 */
export async function exportStore(name) {
  if (!name) throw new Error('nothing is stored: this browser refuses storage');
  const store = await PageStore.open(name);
  /** @type {Uint8Array[]} */
  const parts = [];
  try {
    for (const [[bucket, key], value] of await store.all()) {
      const path = `${bucket}/${key}`;
      if (encoder.encode(path).length > 100) {
        const record = pax(path);
        parts.push(header('pax', record.length, 'x'), record, padding(record));
      }
      parts.push(header(path, value.length), value, padding(value));
    }
  } finally {
    store.close();
  }
  parts.push(new Uint8Array(1024));
  return new Uint8Array(await new Blob(/** @type {BlobPart[]} */ (parts)).arrayBuffer());
}
