// A lab in another site's page, under a strict policy: by the script, and by a bare frame.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { browser, realSite } from './support.mjs';

const LONG = { timeout: 240_000 };
const LESSON = '---\ntitle: A lab\nsummary: S\nminutes: 1\ntasks:\n  make:\n    title: Make a file\n    check: {file: {path: /root/made}}\n    solution: touch /root/made\n---\n\n<!-- task make -->\n';

let site;
let b;
let blog;
let blogUrl;

before(async () => {
  site = await realSite();
  b = await browser({ context: { serviceWorkers: 'block' } });
  await b.context.route('**/lessons/index.json', (route) => route.fulfill({ json: [{ name: 'lab', path: './lessons/lab.md', course: 't', title: 'A lab', summary: 'S', level: 'beginner', minutes: 1 }] }));
  await b.context.route('**/lessons/lab.md', (route) => route.fulfill({ body: LESSON, contentType: 'text/markdown' }));
  const origin = new URL(site.url).origin;
  blog = createServer((request, response) => {
    const body = request.url === '/frame' ? `<iframe title="lab" width="700" height="420" src="${site.url}/?lesson=lab&embed"></iframe>` : `<script src="${site.url}/embed.js"></script><bottleship-lab lesson="lab" height="420"></bottleship-lab>`;
    const scripts = request.url === '/frame' ? "'none'" : origin;
    response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': `default-src 'none'; script-src ${scripts}; frame-src ${origin}` }).end(`<!doctype html><html lang="en"><title>A blog</title><h1>A blog</h1>${body}`);
  });
  await new Promise((resolve) => blog.listen(0, '127.0.0.1', resolve));
  // Another host name of the same machine: another origin, another site.
  blogUrl = `http://localhost:${blog.address().port}`;
});
after(async () => {
  await b?.close();
  await site?.close();
  blog?.closeAllConnections();
  blog?.close();
});

test('one script tag makes a lab that the page can talk to', LONG, async () => {
  const page = await b.context.newPage();
  await page.goto(`${blogUrl}/script`);
  await page.evaluate(() => {
    const lab = document.querySelector('bottleship-lab');
    globalThis.heard = [];
    for (const name of ['task', 'finished']) lab.addEventListener(name, (e) => globalThis.heard.push([name, e.detail]));
  });
  const result = await page.evaluate(() => document.querySelector('bottleship-lab').exec('echo from the blog'));
  assert.equal(result.stdout, 'from the blog\n');
  const frame = page.frameLocator('bottleship-lab iframe');
  await frame.getByRole('button', { name: 'Do it for me' }).click();
  await frame.locator('.strip', { hasText: 'Lesson finished' }).waitFor({ timeout: 60_000 });
  assert.deepEqual(await page.evaluate(() => globalThis.heard.map(([name, detail]) => [name, detail.lesson])), [['task', 'lab'], ['finished', 'lab']]);
  assert.deepEqual(await page.evaluate(() => globalThis.cspViolations), []);
  await page.close();
});

test('a bare frame is enough', LONG, async () => {
  const page = await b.context.newPage();
  await page.goto(`${blogUrl}/frame`);
  const frame = page.frameLocator('iframe');
  await frame.locator('.strip', { hasText: /Make a file|Lesson finished/ }).waitFor({ timeout: 60_000 });
  assert.ok(await frame.locator('.term').isVisible());
  assert.ok(!(await frame.locator('.top').isVisible()));
  await page.close();
});

test('a lab has no part in the learner’s own host, and no stranger in the lab', LONG, async () => {
  const page = await b.open(`${site.url}/`);
  await page.evaluate(() => globalThis.bottleship.exec('touch /root/mine'));
  const other = await b.context.newPage();
  await other.goto(`${blogUrl}/script`);
  const { stdout } = await other.evaluate(() => document.querySelector('bottleship-lab').exec('ls /root'));
  assert.ok(!stdout.includes('mine'));
  // The page as it is, not as a lab, answers nobody.
  const answered = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => resolve(true);
        postMessage('bottleship:connect', location.origin, [port2]);
        port1.postMessage({ id: 1, exec: 'id' });
        setTimeout(() => resolve(false), 1500);
      }),
  );
  assert.equal(answered, false);
  await other.close();
});
