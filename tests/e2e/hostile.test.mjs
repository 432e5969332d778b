// What strangers can send to the tab: lessons, links, terminal output, names, pages around it. The names of the tests
// begin with the rows of the list of hostile cases (W32–W54, those of the static tab) that they hold.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { browser, realSite, sees, type } from './support.mjs';

const LONG = { timeout: 240_000 };
const MARKUP = '<img src=x onerror="globalThis.pwned=1">';
let site;
let b;
let page;

before(async () => {
  site = await realSite();
  b = await browser({ context: { serviceWorkers: 'block' } });
  page = await b.open(`${site.url}/`);
});
after(async () => {
  await b?.close();
  await site?.close();
});

const untouched = async () => assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
/** A lesson of a stranger in the place of the site's. */
async function lesson(text, head = 'title: L\nsummary: S\ntasks:\n  a:\n    title: T\n    check: {file: {path: /root/never}}\n    solution: touch /root/never\n') {
  await page.unroute('**/lessons/**');
  await page.route('**/lessons/index.json', (route) => route.fulfill({ json: [{ name: 'l', path: './lessons/l.md', course: 'c', title: MARKUP, summary: MARKUP, level: 'beginner', minutes: 1 }] }));
  await page.route('**/lessons/l.md', (route) => route.fulfill({ body: `---\n${head}---\n\n${text}\n`, contentType: 'text/markdown' }));
  await page.goto(`${site.url}/?lesson=l`);
  await page.waitForSelector('.guide .read, .guide .say.bad', { timeout: 60_000 });
}

test('W38 probes of the policy are all refused', LONG, async () => {
  const refused = await page.evaluate(async () => {
    // What DevTools evaluates is free of the policy, what comes after it is not.
    await new Promise((resolve) => setTimeout(resolve));
    const tries = {
      eval: () => (0, eval)('1'),
      function: () => new Function('return 1')(),
      inner: () => (document.createElement('div').innerHTML = '<b>x</b>'),
      scriptUrl: () => (document.createElement('script').src = 'https://example.com/x.js'),
      policy: () => globalThis.trustedTypes.createPolicy('other', {}),
      again: () => globalThis.trustedTypes.createPolicy('bottleship', { createHTML: (x) => x }),
      worker: () => new Worker('data:text/javascript,1'),
    };
    const out = [];
    for (const [name, f] of Object.entries(tries)) {
      try {
        f();
        out.push(`${name} went`);
      } catch {
        // As it should.
      }
    }
    const inline = document.createElement('script');
    try {
      inline.text = 'globalThis.pwned = 1';
      document.head.append(inline);
    } catch {
      // As it should.
    }
    const base = document.createElement('base');
    base.href = 'https://example.com/';
    document.head.append(base);
    if (document.baseURI.startsWith('https://example.com')) out.push('base went');
    base.remove();
    await fetch('data:text/html,x').then(() => out.push('data went'), () => {});
    return out;
  });
  assert.deepEqual(refused, []);
  await untouched();
  b.wrong.console.length = 0;
});

test('W39 markup, addresses and nesting in a lesson stay text', LONG, async () => {
  const before = b.wrong.foreign.length;
  await lesson([
    `${MARKUP} <script>globalThis.pwned=1</script> <svg onload="globalThis.pwned=1"></svg> <style>*{display:none}</style>`,
    '[a](javascript:globalThis.pwned=1) [b](data:text/html,x) [c](//example.com/x) [d](vbscript:x) [e](JaVaScRiPt:x) [f](https://user:pass@example.com/)',
    '![i](https://example.com/track.png) ![j](data:image/svg+xml,<svg>) ![k](//example.com/t.png)',
    '<svg></p><style><a id="</style><img src=1 onerror=globalThis.pwned=1>">',
  ].join('\n\n'));
  const guide = page.locator('.guide');
  assert.equal(await guide.locator('.read :is(script, style, iframe, img, .read > svg)').count(), 0);
  const links = await guide.locator('.read a').evaluateAll((all) => all.map((a) => a.getAttribute('href')));
  for (const href of links) assert.match(href, /^(https:\/\/|mailto:|[^:]*$)/);
  assert.equal(await guide.locator('a[href^="//"]').count(), 0);
  await untouched();
  assert.equal(b.wrong.foreign.length, before, 'nothing was asked of another site');
  for (const nested of ['>'.repeat(20_000), '*'.repeat(20_000), `${'- '.repeat(5000)}x`, '['.repeat(20_000)]) {
    const began = Date.now();
    await lesson(nested);
    assert.ok(Date.now() - began < 30_000);
  }
});

test('W40 what a button runs is what is seen', LONG, async () => {
  await lesson('```sh\necho seen\u200b\u202etxet\n```');
  const shown = await page.locator('.guide .fence code').innerText().catch(() => '');
  const told = await page.locator('.guide').innerText();
  assert.ok(!/[\u200b\u202e]/.test(shown) || /U\+202E/.test(told), 'what is not seen is marked or refused');
  assert.match(told, /U\+(200B|202E)|can’t be opened/i);
});

test('W41 a check is data, and a lesson that is none says its line', LONG, async () => {
  await lesson('x', 'title: L\nsummary: S\ntasks:\n  a:\n    title: T\n    check: {javascript: "globalThis.pwned=1"}\n');
  assert.match(await page.locator('.guide .say.bad').innerText(), /line \d+/);
  await untouched();
});

test('W42 W43 W44 W45 W46 terminal output starts nothing, answers little, and stays quick', LONG, async () => {
  await page.unroute('**/lessons/**');
  await page.goto(`${site.url}/`);
  await page.evaluate(() => globalThis.bottleship.ready);
  await page.evaluate(() => {
    globalThis.clipboardUsed = [];
    for (const name of ['readText', 'writeText', 'read', 'write']) navigator.clipboard[name] = async () => void globalThis.clipboardUsed.push(name);
  });
  const title = await page.title();
  await page.evaluate(async (markup) => {
    const e = '\x1b';
    const parts = [
      `${e}]0;${markup}${'x'.repeat(5000)}\x07`, `${e}[21t`, `${e}]52;c;aGFja2Vk\x07`, `${e}]52;c;?\x07`,
      `${e}]8;;javascript:globalThis.pwned=1\x07click${e}]8;;\x07`, `${e}]8;;file:///etc/passwd\x07file${e}]8;;\x07`,
      `${e}P$qm${e}\\`.repeat(200), `${e}[c`.repeat(200), `${e}[${'1;'.repeat(20000)}m`, `a${e}[2147483647b`, 'a' + '\u0301'.repeat(20000),
      `${e}P${'A'.repeat(2_000_000)}${e}\\`, `\r\n${e}[0mthe end\r\n`,
    ];
    await globalThis.bottleship.fs.writeFile('/root/hostile', parts.join(''));
  }, MARKUP);
  await type(page, 'cat hostile');
  await sees(page, /the end/, 60_000);
  assert.equal(await page.title(), title, 'the title is the page’s');
  assert.ok(await page.evaluate(() => [...document.querySelectorAll('[role=tab]')].every((t) => t.title.length <= 256)));
  assert.deepEqual(await page.evaluate(() => globalThis.clipboardUsed), []);
  assert.equal(await page.locator('.term img, a[href^="javascript"], a[href^="file"]').count(), 0);
  // Answers that a shell would take for input hold no line end, so that nothing ran.
  await page.keyboard.press('Control+C');
  await type(page, 'echo still here');
  await sees(page, /\nstill here/, 30_000);
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData('text/plain', 'echo pasted\x1b[201~; touch /root/pasted\x1b]0;x\x07');
    document.querySelector('.xbody:not([hidden]) textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await sees(page, /echo pasted\[201~/, 30_000);
  await page.keyboard.press('Control+C');
  await untouched();
});

test('W47 names and labels in the panes are text', LONG, async () => {
  await page.evaluate((markup) => globalThis.bottleship.exec(`docker create --name box -l 'x=${markup}' -e 'X=${markup}' busybox echo '${markup}'; mkdir -p '/root/<b>x'; docker volume create v`), MARKUP);
  await page.getByRole('button', { name: /^Container box/ }).click();
  await page.locator('#view-files').click();
  await page.getByRole('treeitem', { name: /<b>x/ }).waitFor();
  assert.equal(await page.locator('main img').count(), 0);
  await untouched();
});

test('W48 links run nothing by themselves, and damaged ones say so', LONG, async () => {
  for (const hash of ['#session=', `#session=${'A'.repeat(20_000)}`, '#session=eyJfX3Byb3RvX18iOjF9', `#${MARKUP}`]) {
    await page.goto('about:blank');
    await page.goto(`${site.url}/${hash}`);
    await page.evaluate(() => globalThis.bottleship.ready);
    if (hash.startsWith('#session')) {
      await page.getByRole('dialog').getByText('This link can’t be opened').waitFor();
      await page.getByRole('button', { name: 'Close', exact: true }).click();
    }
  }
  for (const query of [`?lesson=${encodeURIComponent(MARKUP)}`, `?practice=__proto__&seed=${encodeURIComponent(MARKUP)}`, `?lesson=${'x'.repeat(20_000)}`]) {
    await page.goto(`${site.url}/${query}`);
    await page.waitForSelector('.guide .say.bad', { timeout: 60_000 });
  }
  assert.equal(await page.locator('.guide img').count(), 0);
  await untouched();
});

test('W35 W36 a page around it gets no say over the learner’s own host', LONG, async () => {
  const around = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><html lang="en"><title>E</title><iframe title="f" width="900" height="500" src="${site.url}/"></iframe>`));
  await new Promise((resolve) => around.listen(0, '127.0.0.1', resolve));
  const evil = await b.context.newPage();
  await evil.goto(`http://localhost:${around.address().port}/`);
  const answers = await evil.evaluate(async () => {
    const frame = document.querySelector('iframe');
    const heard = [];
    addEventListener('message', (event) => heard.push(event.data));
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = (event) => heard.push(event.data);
      frame.contentWindow.postMessage('bottleship:connect', '*', [port2]);
      port1.postMessage({ id: 1, exec: 'id' });
      frame.contentWindow.postMessage({ type: 'exec', line: 'id' }, '*');
    }
    return heard;
  });
  assert.deepEqual(answers, []);
  await evil.close();
  around.closeAllConnections();
  around.close();
});

test('W53 nothing was asked of another site, and nothing went wrong', () => {
  const own = new URL(site.url).host;
  assert.deepEqual(b.wrong.foreign.filter((url) => new URL(url).host !== own && !/^(localhost|127\.0\.0\.1)$/.test(new URL(url).hostname)), []);
  assert.deepEqual(b.wrong.console.filter((text) => !/status of 404/.test(text)), []);
});
