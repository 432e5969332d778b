// Fetches the engine and the host's root file system, compiling while the bytes come.

/**
 * Counts a response's bytes without taking them.
 * @param {Response} response @param {(bytes: number) => void} came
 */
function counted(response, came) {
  // A response from this device comes at once, and a second reader would cost its compiled-code cache.
  if (navigator.serviceWorker?.controller || !response.body) return;
  const reader = response.clone().body?.getReader();
  void (async () => {
    for (;;) {
      const part = await reader?.read();
      if (!part || part.done) return;
      came(part.value.length);
    }
  })().catch(() => {});
}

/** @param {Response} response @param {string} what */
function checked(response, what) {
  if (!response.ok) throw new Error(`${what} could not be fetched: ${response.status} ${response.statusText}`);
  return response;
}

/**
 * @param {(loaded: number, total: number) => void} progress in bytes; compressed sizes are not known here
 * @param {string | URL} [site] where the site is
 * @returns {{ module: Promise<WebAssembly.Module | null>, rootfs: Promise<ArrayBuffer | null> }}
 */
function loadEngine(progress, site = document.baseURI) {
  let loaded = 0;
  let total = 0;
  const fetched = async (/** @type {string} */ url, /** @type {string} */ what) => {
    const response = checked(await fetch(url), what);
    total += Number(response.headers.get('x-uncompressed-length') ?? (response.headers.has('content-encoding') ? 0 : response.headers.get('content-length')) ?? 0);
    counted(response, (bytes) => progress((loaded += bytes), total));
    return response;
  };
  const wasm = BOTTLESHIP_WASM && new URL(BOTTLESHIP_WASM, site).href;
  return {
    module: wasm ? WebAssembly.compileStreaming(fetched(wasm, 'the engine')) : Promise.resolve(null),
    rootfs: fetched(new URL('./host.tar', site).href, 'the host’s root file system').then((r) => r.arrayBuffer()),
  };
}

/**
 * @typedef {{ worker: Worker, parts: ReturnType<typeof loadEngine>, failed: Promise<Error> }} Begun a worker and what it
 *   needs, on their way; `failed` is settled when the worker could not be started
 */

/**
 * @param {Worker} worker just started
 * @param {(loaded: number, total: number) => void} progress
 * @param {string | URL} [site]
 * @returns {Begun}
 */
export function beginWith(worker, progress, site) {
  /** @type {Promise<Error>} */
  const failed = new Promise((resolve) => {
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(new Error(event.message || 'the worker could not be started'));
    };
  });
  const parts = loadEngine(progress, site);
  // Whoever takes them hears of it; until then it is no unhandled rejection.
  for (const part of [parts.module, parts.rootfs]) part.catch(() => {});
  return { worker, parts, failed };
}
