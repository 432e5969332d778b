// Sets a preview up on its own origin: asks the page that opened it for a line to the server, starts the service worker
// that sends every request through here, then shows the server's page inside. It stays, because the worker comes and goes.
(async () => {
  const say = (text) => (document.querySelector('p').textContent = text);
  const path = decodeURIComponent(location.hash.slice(1)) || '/';
  const page = window.opener ?? (window.parent === window ? null : window.parent);
  if (!page) return say('This is the address of a preview. Open it from the page that runs the Docker host.');
  if (!navigator.serviceWorker) return say('This browser has no service workers here, which previews need.');
  const line = await new Promise((resolve) => {
    addEventListener('message', (e) => e.source === page && e.data === 'bottleship-preview' && e.ports[0] && resolve(e.ports[0]));
    page.postMessage('bottleship-preview', '*'); // nothing secret: a name
  });
  window.opener = null; // what is shown here shall not reach the page that opened it
  navigator.serviceWorker.addEventListener('message', (e) => {
    if (e.data?.request && e.ports[0]) line.postMessage(e.data.request, [e.ports[0], ...(e.data.request.body ? [e.data.request.body] : [])]);
  });
  navigator.serviceWorker.startMessages();
  try {
    const url = new URL('../preview-sw.js', location.href).href;
    const policy = globalThis.trustedTypes?.createPolicy('preview', { createScriptURL: () => url });
    await navigator.serviceWorker.register(policy ? policy.createScriptURL(url) : url, { scope: '/' });
    const { active } = await navigator.serviceWorker.ready;
    if (active.state !== 'activated') await new Promise((resolve) => active.addEventListener('statechange', () => active.state === 'activated' && resolve()));
  } catch (error) {
    const framed = window.parent !== window && /denied|permission/i.test(error.message);
    return say(framed ? 'This browser allows no service worker in a frame of another site. Open the preview in a tab.' : `The preview can't be set up: ${error.message}`);
  }
  const frame = document.createElement('iframe');
  frame.title = 'What the server shows';
  frame.sandbox = 'allow-scripts allow-forms allow-same-origin';
  frame.src = new URL(path, location.origin).origin === location.origin ? path : '/';
  document.querySelector('main').replaceChildren(frame);
})();
