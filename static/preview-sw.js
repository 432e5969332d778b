// The service worker of a preview's origin: every request goes to the page that runs the Docker host, by way of the
// window that set the preview up, and from there to the server in the emulated machine.
const START = '/preview/open.';

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== location.origin) return; // another site's: as everywhere
  if (url.pathname.startsWith(START) || url.pathname === '/preview-sw.js') return;
  event.respondWith(carry(event.request, url));
});

async function carry(request, url) {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const line = windows.find((c) => new URL(c.url).pathname === '/preview/open.html');
  if (!line) return trouble(503, 'The page that runs the Docker host is closed. Open the preview from it again.');
  const { port1, port2 } = new MessageChannel();
  const body = request.method === 'GET' || request.method === 'HEAD' ? null : await request.arrayBuffer();
  const answer = new Promise((resolve) => (port1.onmessage = (e) => resolve(e.data)));
  line.postMessage({ request: { method: request.method, path: url.pathname + url.search, headers: [...request.headers], body } }, [port2, ...(body ? [body] : [])]);
  const late = new Promise((resolve) => setTimeout(resolve, 40_000, { error: 'nothing came back' }));
  const { status, statusText, headers, body: data, error } = await Promise.race([answer, late]);
  if (error) return trouble(502, error);
  try {
    return new Response([204, 205, 304].includes(status) ? null : data, { status, statusText, headers });
  } catch (e) {
    return trouble(502, `the answer is none that a browser takes: ${e.message}`);
  }
}

/** A page in plain words; what the message says is text. */
function trouble(status, message) {
  return new Response(`The server did not answer.\n\n${message}\n`, { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' } });
}
