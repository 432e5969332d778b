// Every view as everybody finds it: from the landing page to the first task done, nothing for axe to say in either theme,
// nothing that jumps, nothing that sticks out, nothing in the console.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { axePath, browser, realSite, settle } from './support.mjs';

const axe = readFileSync(axePath, 'utf8');
const LONG = { timeout: 300_000 };
const SIZES = [['desktop', 1280, 720], ['phone', 390, 844]];
let site;

before(async () => {
  site = await realSite();
});
after(() => site?.close());

/** Clicks what is in sight, without scrolling to it. @param {import('playwright-core').Page} page @param {import('playwright-core').Locator} what */
async function clickInSight(page, what) {
  await what.waitFor({ timeout: 60_000 });
  const { x, y, width, height } = await what.boundingBox();
  const at = { x: x + width / 2, y: y + height / 2 };
  const hit = await what.evaluate((element, { x, y }) => element.contains(document.elementFromPoint(x, y)) || document.elementFromPoint(x, y)?.outerHTML.slice(0, 120), at);
  assert.equal(hit, true, `${what} is in sight at ${Math.round(at.x)},${Math.round(at.y)}`);
  await page.mouse.click(at.x, at.y);
}

for (const [name, width, height] of SIZES) {
  test(`from the landing page to the first task done on a ${name}, within a minute and without scrolling`, LONG, async () => {
    const b = await browser({ context: { viewport: { width, height }, hasTouch: name === 'phone', isMobile: name === 'phone' } });
    const page = b.context.pages()[0];
    const began = Date.now();
    await page.goto(`${site.url}/`);
    await clickInSight(page, page.getByRole('button', { name: 'Lessons', exact: true }).first());
    await clickInSight(page, page.getByRole('button', { name: 'Start with the first' }));
    await page.waitForSelector('.task.now', { timeout: 60_000 });
    await clickInSight(page, page.getByRole('button', { name: /^Run docker / }).first());
    await page.waitForSelector('.task.done', { state: 'attached', timeout: 60_000 });
    const took = Date.now() - began;
    console.log(`# ${name}: the first task is done after ${(took / 1000).toFixed(1)} s`);
    assert.ok(took < 60_000, `${took} ms`);
    assert.equal(await page.evaluate(() => [...document.querySelectorAll('*')].filter((e) => e.scrollTop && e.closest('.guide')).length), 0, 'nothing was scrolled');
    assert.deepEqual(b.wrong.console, []);
    await b.close();
  });
}

/** The views of the page: an address, and what leads to the view from there. */
const VIEWS = [
  ['the empty host', '/', async () => {}],
  ['stacks', '/', (page) => page.getByRole('button', { name: 'Stacks' }).click(), true],
  ['rows', '/', (page) => page.getByRole('button', { name: 'Rows' }).click(), true],
  ['a list', '/', (page) => page.getByRole('button', { name: 'List', exact: true }).click(), true],
  ['files', '/', (page) => page.locator('#view-files').click(), true],
  ['builds', '/', (page) => page.locator('#view-build').click(), true],
  ['sizes', '/', (page) => page.locator('#view-sizes').click(), true],
  ['help', '/', (page) => page.getByRole('button', { name: 'Help and keys' }).click()],
  ['the list of lessons', '/?lesson', (page) => page.waitForSelector('.entries')],
  ['a lesson', '/?lesson=run', (page) => page.waitForSelector('.task.now')],
  ['the choice of drills', '/?practice', (page) => page.waitForSelector('.starts')],
  ['a drill', '/?practice=networks/publish&seed=a', (page) => page.waitForSelector('.goals')],
  ['saving results', '/?lesson', (page) => page.getByRole('button', { name: 'Save my results' }).click()],
  ['a class', '/class.html', async () => {}],
];

test('every view: axe finds nothing in light and dark, nothing jumps, nothing is wider than the window', LONG, async () => {
  // Colours on their way from one theme to the other are nobody's.
  const b = await browser({ context: { reducedMotion: 'reduce' } });
  await b.context.addInitScript(() => {
    globalThis.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.shift += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  const page = b.context.pages()[0];
  const found = [];
  let filled = false;
  for (const [what, address, lead, needs] of VIEWS) {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.goto(`${site.url}${address}`);
    if (address !== '/class.html') await page.evaluate(() => globalThis.bottleship.ready);
    if (needs && !filled) {
      await page.evaluate(() => globalThis.bottleship.exec('mkdir s; printf "FROM busybox\\nRUN echo a > /a\\n" > s/Dockerfile; docker build -q -t site s; docker run -d --name web -p 8080:80 -v data:/data site sleep 1000'));
      filled = true;
      await page.reload();
      await page.evaluate(() => globalThis.bottleship.ready);
    }
    await lead(page);
    await page.waitForTimeout(300);
    const shift = await page.evaluate(() => globalThis.shift);
    if (shift >= 0.1) found.push(`${what}: layout shift ${shift.toFixed(3)}`);
    for (const theme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: theme });
      await settle(page);
      await page.evaluate(axe);
      const violations = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], iframes: false }).then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3).join(' | ')}`)));
      found.push(...violations.map((v) => `${what}, ${theme}: ${v}`));
    }
    await page.emulateMedia({ colorScheme: 'light' });
    for (const width of [1000, 700, 390]) {
      await page.setViewportSize({ width, height: 800 });
      await page.waitForTimeout(100);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) found.push(`${what} at ${width}: ${wide} px too wide`);
    }
  }
  assert.deepEqual(found, []);
  assert.deepEqual(b.wrong.console, []);
  assert.deepEqual(b.wrong.foreign, []);
  await b.close();
});

test('a lab in another page: axe finds nothing in it', LONG, async () => {
  const b = await browser({ context: { serviceWorkers: 'block', reducedMotion: 'reduce' } });
  const around = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><html lang="en"><title>A blog</title><iframe title="lab" width="900" height="500" src="${site.url}/?lesson=run&embed"></iframe>`));
  await new Promise((resolve) => around.listen(0, '127.0.0.1', resolve));
  const page = b.context.pages()[0];
  await page.goto(`http://localhost:${around.address().port}/`);
  await page.frameLocator('iframe').locator('.strip .btn').first().waitFor({ timeout: 60_000 });
  const frame = page.frames()[1];
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    await settle(page);
    await frame.evaluate(axe);
    assert.deepEqual(await frame.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 3).join(' | ')}`))), [], theme);
  }
  await b.close();
  around.closeAllConnections();
  around.close();
});
