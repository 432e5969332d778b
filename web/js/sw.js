// Keeps the page working without a network: what the build made is kept whole, one version at a time.
/* global BOTTLESHIP_VERSION, BOTTLESHIP_PRECACHE, BOTTLESHIP_HOST */
const VERSION = `page-${BOTTLESHIP_VERSION}`;
const ROOTFS = 'rootfs';
/** The image that works without a network before anything was pulled, and where it is kept. */
const STARTER = 'v2/library/busybox/';
const IMAGES = 'images';
const scope = new URL(self.registration.scope);
const list = BOTTLESHIP_PRECACHE.map((path) => new URL(path, scope).href);
const index = new URL('index.html', scope).href;
const rootfs = new URL('host.tar', scope).href;

self.addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(VERSION);
      // Named by content: what the HTTP cache has is right. The rest is asked for again.
      await Promise.all(
        list.map(async (url) => {
          const response = await fetch(url, { cache: url.includes('/assets/') ? 'default' : 'no-cache' });
          if (!response.ok || response.redirected || !fits(url, response)) throw new Error(`${url} is not what was built`);
          await cache.put(url, response);
        }),
      );
      if (!BOTTLESHIP_HOST) await keepRootfs().catch(() => {});
      await keepStarter().catch(() => {});
      await self.skipWaiting();
    })(),
  );
});

/** A captive portal answers everything with a page of its own. */
function fits(url, response) {
  const type = response.headers.get('content-type') ?? '';
  return url.endsWith('.html') || !type.startsWith('text/html');
}

async function keepRootfs() {
  const response = await fetch(rootfs, { cache: 'no-cache' });
  if (response.ok && fits(rootfs, response)) await (await caches.open(ROOTFS)).put(rootfs, response);
}

/** Keeps the starter by its tag and by its digests; a site without it has none. */
async function keepStarter() {
  const cache = await caches.open(IMAGES);
  const at = (/** @type {string} */ path) => new URL(STARTER + path, scope).href;
  const response = await fetch(at('manifests/latest'), { cache: 'no-cache' });
  if (!response.ok) return;
  const bytes = await response.clone().arrayBuffer();
  const { config, layers } = JSON.parse(new TextDecoder().decode(bytes));
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const digest = `sha256:${[...hash].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
  const blobs = [config, ...layers].map((part) => at(`blobs/${part.digest}`));
  const kept = new Set([at('manifests/latest'), at(`manifests/${digest}`), ...blobs]);
  for (const url of blobs) {
    if (await cache.match(url)) continue;
    const blob = await fetch(url);
    if (!blob.ok) throw new Error(`${url}: ${blob.status}`);
    await cache.put(url, blob);
  }
  await cache.put(at(`manifests/${digest}`), response.clone());
  await cache.put(at('manifests/latest'), response);
  for (const { url } of await cache.keys()) if (!kept.has(url)) await cache.delete(url);
}

self.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name.startsWith('page-') && name !== VERSION) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (path === 'v2/' || path.startsWith(STARTER)) return event.respondWith(registry(request, path));
  if (request.method !== 'GET') return;
  if (path === '' || path === 'index.html') return event.respondWith(page(request));
  if (!BOTTLESHIP_HOST && path === 'host.tar') return event.respondWith(rootFs(event));
  const plain = url.origin + url.pathname;
  if (list.includes(plain)) event.respondWith(kept(plain, request));
});

/** The registry's answer, or what is kept of it when there is none. */
async function registry(request, path) {
  try {
    return await fetch(request);
  } catch (error) {
    const json = { headers: { 'Content-Type': 'application/json' } };
    if (path === 'v2/') return new Response('{}', json);
    const old = await (await caches.open(IMAGES)).match(request.url);
    if (!old) throw error;
    return request.method === 'HEAD' ? new Response(null, { headers: old.headers }) : old;
  }
}

/** The newest page when the network answers, else the kept one. */
async function page(request) {
  const cache = await caches.open(VERSION);
  const old = await cache.match(index);
  if (!old) return fetch(request);
  // The kept page at once; a new version is installed by the browser's own check of this file.
  return old;
}

async function kept(url, request) {
  return (await (await caches.open(VERSION)).match(url)) ?? fetch(request);
}

/** The kept root file system at once; the next start has a newer one, if there is. */
async function rootFs(event) {
  const old = await (await caches.open(ROOTFS)).match(rootfs);
  if (!old) return fetch(event.request);
  event.waitUntil(keepRootfs().catch(() => {}));
  return old;
}
