// Trusted Types: the only strings that ever become scripts are the two the build wrote into this bundle.

/** @type {{ createScriptURL(url: string): any } | undefined} */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy('bottleship', {
  createScriptURL(/** @type {string} */ url) {
    if (url === new URL(BOTTLESHIP_WORKER, document.baseURI).href || url === new URL('./sw.js', document.baseURI).href) return url;
    throw new TypeError(`not a script of this site: ${url}`);
  },
});

/** @param {string} path @returns {string} */
export function scriptUrl(path) {
  const url = new URL(path, document.baseURI).href;
  return policy ? policy.createScriptURL(url) : url;
}
