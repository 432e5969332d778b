// The page as a lab in somebody else's: who embeds it, and the port that it may talk over.

/** @import { Host } from '../host.js' */

/** Whether this page is shown as a lab. */
export const embedded = () => new URLSearchParams(location.search).has('embed');

/** The origin that embeds this page; nothing when the browser doesn't say. */
export function embedder() {
  const [parent] = location.ancestorOrigins ?? [];
  if (parent) return parent;
  try {
    return document.referrer ? new URL(document.referrer).origin : '';
  } catch {
    return '';
  }
}

/**
 * Answers the page around, over a port that it hands in: no other window has that port, and what it asks for runs on the
 * host that belongs to it alone (address.js).
 * @param {Host} host @param {{ ready: Promise<void>, exec: (line: string) => Promise<unknown>, terminal: { type: (line: string) => void } }} api
 */
export function listen(host, api) {
  if (window.parent === window || !embedded()) return;
  addEventListener('message', (event) => {
    const [port] = event.ports;
    if (event.source !== window.parent || event.data !== 'bottleship:connect' || !port) return;
    port.onmessage = async ({ data }) => {
      const id = data?.id;
      if (typeof id !== 'number') return;
      try {
        if (typeof data.exec === 'string') port.postMessage({ id, value: await api.exec(data.exec) });
        else if (typeof data.type === 'string') port.postMessage({ id, value: api.terminal.type(data.type) });
        else throw new Error('a lab can exec and type');
      } catch (error) {
        port.postMessage({ id, error: /** @type {Error} */ (error).message });
      }
    };
    host.on('task', (detail) => {
      port.postMessage({ event: 'task', detail });
      if (detail.finished) port.postMessage({ event: 'finished', detail: { lesson: detail.lesson } });
    });
    void api.ready.then(() => port.postMessage({ ready: true }));
  });
  // To whoever it is: it says nothing that the page around doesn't know.
  window.parent.postMessage('bottleship:listening', '*');
}
