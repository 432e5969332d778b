// Handing a file to the reader.
import { h } from './dom.js';

/** Offers bytes as a download. @param {string} name @param {BlobPart[]} parts */
export function download(name, parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
