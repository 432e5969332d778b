// From the tab onto a server's kernel and back: images as docker save writes them, the files of /root, and the commands
// that were run. What moves waits in the browser's own store while the page starts anew with the other host.
import { quoted } from './wire.js';

/** @import { Host } from '../host.js' */

/**
 * @typedef {object} Parcel
 * @property {Blob | null} images a `docker save` of all that have a name
 * @property {Uint8Array<ArrayBuffer>} files a tar of /root
 * @property {string[]} commands
 */

const STORE = 'bottleship-move';
/** Bytes of images that are moved. */
const MOST = 512 * 1024 * 1024;
const TAR = '/tmp/.bottleship-move.tar';
/** Where the commands are written, in the other host. */
export const LOG = '/root/commands.txt';

/** @param {Host} host @param {string[]} commands @returns {Promise<Parcel>} */
export async function pack(host, commands) {
  /** @type {{ RepoTags: string[] | null, Size: number }[]} */
  const all = await host.json('/images/json');
  const names = all.flatMap((i) => i.RepoTags ?? []).filter((name) => !name.startsWith('<none>'));
  const size = all.reduce((sum, i) => sum + i.Size, 0);
  if (size > MOST) throw new Error('the images are larger than 512 MB together: remove some first');
  let images = null;
  if (names.length) {
    const { status, chunks } = await host.api('GET', `/images/get?${names.map((name) => `names=${encodeURIComponent(name)}`).join('&')}`);
    if (status !== 200) throw new Error(`the images could not be saved: ${await new Blob(/** @type {BlobPart[]} */ (chunks)).text()}`);
    images = new Blob(/** @type {BlobPart[]} */ (chunks));
  }
  const packed = await host.exec(`tar -c -f ${TAR} -C /root .`);
  if (packed.exitCode) throw new Error(`the files could not be packed: ${packed.stderr.trim()}`);
  const files = /** @type {Uint8Array<ArrayBuffer>} */ (await host.call('readFile', TAR));
  await host.exec(`rm -f ${TAR}`);
  return { images, files, commands };
}

/** @param {Host} host @param {Parcel} parcel */
export async function unpack(host, { images, files, commands }) {
  if (images) {
    const { status, chunks } = await host.api('POST', '/images/load?quiet=1', { headers: [['content-type', 'application/x-tar']], body: new Uint8Array(await images.arrayBuffer()) });
    const said = await new Blob(/** @type {BlobPart[]} */ (chunks)).text();
    const wrong = said.split('\n').find((line) => line.includes('"error"'));
    if (status !== 200 || wrong) throw new Error(`the images could not be loaded: ${wrong ?? said}`);
  }
  await host.call('writeFile', TAR, files);
  const unpacked = await host.exec(`tar -x -f ${TAR} -C /root; code=$?; rm -f ${TAR}; exit $code`);
  if (unpacked.exitCode) throw new Error(`the files could not be unpacked: ${unpacked.stderr.trim()}`);
  if (commands.length) await host.exec(`printf '%s\\n' ${commands.map(quoted).join(' ')} > ${quoted(LOG)}`);
}

/**
 * @template T
 * @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
function stored(mode, act) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(STORE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore('parcel');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction('parcel', mode);
      const request = act(transaction.objectStore('parcel'));
      transaction.oncomplete = () => (database.close(), resolve(request.result));
      transaction.onerror = transaction.onabort = () => (database.close(), reject(transaction.error));
    };
  });
}

/** Leaves a parcel for the page that starts next. @param {'hosted' | 'tab'} to @param {Parcel} parcel */
export const leave = (to, parcel) => stored('readwrite', (store) => store.put(parcel, to));

/** Takes what was left for this page, once. @type {(me: 'hosted' | 'tab') => Promise<Parcel | undefined>} */
export const collect = (me) =>
  stored('readwrite', (store) => {
    const parcel = store.get(me);
    store.delete(me);
    return parcel;
  });
