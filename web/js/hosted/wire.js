// Docker's frames (stdcopy) as a session's `exec` answers in them: a stream's number, a length, so many bytes.

/** @typedef {1 | 2 | 3} Stream standard output, standard error, and what the server itself says */

/** Bytes of a frame that are taken. */
export const FRAME = 1 << 20;

/** Cuts what comes into frames. */
export class Frames {
  #rest = new Uint8Array(0);

  /** @param {Uint8Array} piece @returns {{ stream: Stream, data: Uint8Array<ArrayBuffer> }[]} @throws when it is no frame */
  push(piece) {
    const all = new Uint8Array(this.#rest.length + piece.length);
    all.set(this.#rest);
    all.set(piece, this.#rest.length);
    const found = [];
    let at = 0;
    while (all.length - at >= 8) {
      const length = new DataView(all.buffer, at + 4, 4).getUint32(0);
      if (all[at] < 1 || all[at] > 3 || length > FRAME) throw new Error('the server’s answer is damaged');
      if (all.length - at - 8 < length) break;
      found.push({ stream: /** @type {Stream} */ (all[at]), data: all.slice(at + 8, at + 8 + length) });
      at += 8 + length;
    }
    this.#rest = all.slice(at);
    return found;
  }
}

/** A word of a shell's line that stands for itself. @param {string} text */
export const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * A directory's entries out of lines `MODE SIZE TIME/NAME`, mode in hexadecimal as `stat -c %f` writes it.
 * @param {string} text
 * @returns {import('../protocol.js').Entry[]}
 */
export function entries(text) {
  const kinds = /** @type {Record<number, 'file' | 'dir' | 'symlink'>} */ ({ 0x8000: 'file', 0x4000: 'dir', 0xa000: 'symlink' });
  return text.split('\n').flatMap((line) => {
    const found = /^([0-9a-f]+) (\d+) (\d+)\/(.+)$/.exec(line);
    if (!found) return [];
    const mode = Number.parseInt(found[1], 16);
    return [{ name: found[4], type: kinds[mode & 0xf000] ?? /** @type {const} */ ('other'), size: Number(found[2]), mode: mode & 0o7777, mtime: Number(found[3]) * 1000 }];
  });
}
