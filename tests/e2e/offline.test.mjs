// One visit is enough: the page starts again without a server, from any static host and below any path, and can be installed.
import assert from 'node:assert/strict';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, sees, sitePath, type } from './support.mjs';

const LONG = { timeout: 300_000 };
const BASE = '/foo/bar/';
/** What any static host knows of files, and nothing else: no policy, no header of ours, no answer for /v2/. */
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.json': 'application/json' };

let server;
let url;
let b;

before(async () => {
  const dir = sitePath();
  server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    const below = path.startsWith(BASE) ? path.slice(BASE.length) : '\0';
    const file = join(dir, below === '' ? 'index.html' : below);
    if (!file.startsWith(dir) || below === '\0' || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Length': statSync(file).size });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${server.address().port}${BASE}`;
});
after(async () => {
  await b?.close();
  server?.close();
});

const exec = (page, line) => page.evaluate((l) => globalThis.bottleship.exec(l), line);

test('a plain static host below a path serves all of it', LONG, async () => {
  b = await browser();
  const page = await b.open(url);
  const { stdout, stderr } = await exec(page, 'docker run --rm alpine echo from the site');
  assert.match(stdout, /from the site\n$/, stderr);
  await page.getByRole('button', { name: 'Lessons' }).click();
  await page.locator('.entries a').first().waitFor({ timeout: 60_000 });
  assert.ok((await page.locator('.entries a').count()) > 10);
  assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.ready).scope), url);
  const outside = b.wrong.foreign;
  assert.deepEqual(outside, []);
  assert.deepEqual(b.wrong.console.filter((m) => !/status of 404/.test(m)), []);
  await b.close();
});

test('it can be installed', LONG, async () => {
  b = await browser();
  const page = await b.open(url);
  await page.evaluate(() => navigator.serviceWorker.ready);
  const session = await b.context.newCDPSession(page);
  const { errors, data } = await session.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  assert.equal(new URL(manifest.start_url, url).href, url);
  assert.equal(new URL(manifest.scope, url).href, url);
  for (const icon of manifest.icons) assert.equal((await page.request.get(new URL(icon.src, url).href)).status(), 200, icon.src);
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  // A profile of its own is no incognito window, which is the one thing that a test's browser may be told.
  assert.deepEqual(installabilityErrors.filter((e) => e.errorId !== 'in-incognito'), []);
});

test('after one visit, prompt and `docker run busybox` come without a server', LONG, async () => {
  const [page] = b.context.pages();
  await page.waitForFunction(async () => navigator.serviceWorker.controller && (await (await caches.open('images')).keys()).length >= 4, null, { timeout: 120_000 });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(fetch(url));
  await page.reload();
  await page.evaluate(() => globalThis.bottleship.ready);
  await type(page, 'docker run busybox echo hi from the cache');
  await sees(page, /Downloaded newer image for busybox:latest\s+hi from the cache/, 60_000);
  await page.getByRole('button', { name: 'Lessons' }).click();
  await page.locator('.entries a').first().click();
  await page.waitForSelector('.task.now', { timeout: 60_000 });
  // What was neither visited nor pulled needs the network, and the error says so.
  const { exitCode, stderr } = await exec(page, 'docker pull debian');
  assert.notEqual(exitCode, 0);
  assert.match(stderr, /network is unreachable/);
});
