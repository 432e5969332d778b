// bottleship.js: a Docker host for the scripts of any page, without this page's look.
//
//   import { start } from 'https://SITE/bottleship.js';
//   const bottleship = start();
//   const { stdout } = await bottleship.exec('docker run --rm busybox echo hi');
//
// A page with a Content-Security-Policy needs: script-src SITE 'wasm-unsafe-eval'; worker-src blob: SITE; connect-src SITE.
import { createApi } from './bottleship.js';
import { Host } from './host.js';
import { beginWith } from './begin.js';

const site = new URL('.', import.meta.url);

/** A browser starts no worker of another site; it starts one that imports it. */
function startWorker() {
  const url = new URL(BOTTLESHIP_WORKER, site).href;
  const options = /** @type {const} */ ({ type: 'module', name: 'docker-host' });
  if (site.origin === location.origin) return new Worker(url, options);
  const blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(url)};`], { type: 'text/javascript' }));
  const worker = new Worker(blob, options);
  worker.addEventListener('message', () => URL.revokeObjectURL(blob), { once: true });
  return worker;
}

/**
 * Starts a Docker host in this page.
 * @param {{ store?: string }} [options] `store`: the name of an IndexedDB database of this page's site to keep the host
 *   in; without it, it is gone with the page
 */
export function start({ store = '' } = {}) {
  const host = new Host();
  host.boot(beginWith(startWorker(), { store, steal: false }, site.href));
  return Object.freeze({
    ...createApi(host),
    /** Empties the host and ends it. */
    reset: async () => {
      await host.call('reset');
      host.stop();
    },
    /** Ends the host; what is stored stays. */
    stop: () => host.stop(),
  });
}
