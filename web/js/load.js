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
 * @returns {{ module: Promise<WebAssembly.Module | null>, rootfs: Promise<ArrayBuffer | null> }}
 */
export function loadEngine(progress) {
  let loaded = 0;
  let total = 0;
  const fetched = async (/** @type {string} */ url, /** @type {string} */ what) => {
    const response = checked(await fetch(url), what);
    total += Number(response.headers.get('x-uncompressed-length') ?? (response.headers.has('content-encoding') ? 0 : response.headers.get('content-length')) ?? 0);
    counted(response, (bytes) => progress((loaded += bytes), total));
    return response;
  };
  const wasm = BOTTLESHIP_WASM && new URL(BOTTLESHIP_WASM, document.baseURI).href;
  return {
    module: wasm ? WebAssembly.compileStreaming(fetched(wasm, 'the engine')) : Promise.resolve(null),
    rootfs: fetched(new URL('./host.tar', document.baseURI).href, 'the host’s root file system').then((r) => r.arrayBuffer()),
  };
}
