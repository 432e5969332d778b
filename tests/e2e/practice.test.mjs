// Practice: drills that are drawn, graded on the host's state, and come again; on the real engine.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { axePath, browser, realSite, type } from './support.mjs';

const axe = readFileSync(axePath, 'utf8');
const LONG = { timeout: 240_000 };
let site;
let b;
let page;

before(async () => {
  site = await realSite();
  b = await browser({ context: { serviceWorkers: 'block' } });
  page = await b.open(`${site.url}/`);
  await page.evaluate(() => globalThis.bottleship.exec('docker create --name of-the-playground busybox'));
});
after(async () => {
  await b?.close();
  await site?.close();
});

const button = (name) => page.getByRole('button', { name, exact: true });
const accessible = async (what) => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run('#guide').then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`)));
  assert.deepEqual(found, [], what);
};

test('drills are found by topic and level', LONG, async () => {
  await page.getByRole('button', { name: 'Lessons' }).click();
  await button('Practice').click();
  await page.getByLabel('Topic').selectOption({ label: 'Networks and ports' });
  const all = await page.locator('.topic a.entry').count();
  assert.ok(all > 5);
  assert.equal(await page.locator('.topic').count(), 1);
  await page.getByLabel('Level').selectOption({ label: 'Advanced' });
  const few = await page.locator('.topic a.entry').count();
  assert.ok(few < all);
  assert.match(await page.locator('.guide [role=status]').innerText(), new RegExp(`^${few} drills?: 0 known, 0 due$`));
  await accessible('the choice of drills');
  await page.getByLabel('Level').selectOption('');
  await page.getByLabel('Topic').selectOption('');
});

test('a drill ticks itself, and says how many commands it took', LONG, async () => {
  await page.goto(`${site.url}/?practice=lifecycle/stop&seed=one`);
  await page.waitForSelector('.goals');
  const name = await page.locator('.guide .read code').first().innerText();
  await type(page, 'docker ps');
  await type(page, `docker stop -t 0 ${name} && true`);
  await page.waitForSelector('.drill-state .say.ok', { timeout: 60_000 });
  assert.match(await page.locator('.drill-state .say').innerText(), /Solved\s+In \d+:\d\d with 3 commands\. The solution has 1\./);
  assert.equal(await page.locator('.goals .task:not(.done)').count(), 0);
  const { deck } = await page.evaluate(() => JSON.parse(localStorage.getItem('bottleship:practice')));
  assert.equal(JSON.parse(deck).cards['lifecycle/stop'].streak, 1, 'the deck knows');
  await accessible('a drill that is solved');
});

test('a variant is its seed’s', LONG, async () => {
  const text = async (seed) => {
    await page.goto(`${site.url}/?practice=networks/publish&seed=${seed}`);
    await page.waitForSelector('.goals');
    return page.locator('.guide .read').innerText();
  };
  const one = await text('one');
  assert.equal(await text('one'), one);
  const others = [await text('two'), await text('three'), await text('four')];
  assert.ok(others.some((other) => other !== one));
});

test('today’s three are everybody’s; hints, a solution and skipping; a result at the end', LONG, async () => {
  await page.goto(`${site.url}/?practice`);
  await button('Today’s three').click();
  await page.waitForSelector('.goals');
  const other = await browser();
  const theirs = await other.open(`${site.url}/?practice`);
  await theirs.getByRole('button', { name: 'Today’s three' }).click();
  await theirs.waitForSelector('.goals');
  assert.equal(new URL(theirs.url()).search, new URL(page.url()).search);
  assert.equal(await theirs.locator('.guide .read').innerText(), await page.locator('.guide .read').innerText());
  await other.close();
  await button('Show a solution').click();
  const solution = await page.locator('.drill-state .fence code').innerText();
  await page.evaluate((line) => globalThis.bottleship.exec(line), solution);
  await page.waitForSelector('.drill-state .say', { timeout: 60_000 });
  assert.match(await page.locator('.drill-state .say').innerText(), /Done, with the solution/);
  await button('Next drill').click();
  for (const next of ['Next drill', 'Result']) {
    await page.waitForSelector('.goals');
    await button('Skip').click();
    await button(next).click();
  }
  await page.waitForSelector('.guide h1:has-text("0 of 3 solved")');
  assert.match(await page.locator('.guide table').innerText(), /with the solution[^]*skipped[^]*skipped/);
  await accessible('a result');
  await button('All drills').click();
  await page.waitForSelector('.guide .starts');
});

test('starting over gives the drill’s host anew, and the playground is as it was', LONG, async () => {
  await page.goto(`${site.url}/?practice=lifecycle/stop&seed=one`);
  await page.waitForSelector('.goals');
  await page.evaluate(() => globalThis.bottleship.exec('docker create --name mine busybox'));
  await button('Start over').click();
  await page.waitForFunction(async () => !(await globalThis.bottleship.exec('docker ps -a --format "{{.Names}}"').catch(() => ({ stdout: 'mine' }))).stdout.includes('mine'), null, { timeout: 60_000 });
  await page.waitForSelector('.goals');
  await button('Close the lessons').click();
  await page.waitForFunction(async () => (await globalThis.bottleship.exec('docker ps -a --format "{{.Names}}"').catch(() => ({ stdout: '' }))).stdout === 'of-the-playground\n', null, { timeout: 60_000 });
});

test('a drill that is not there says so', LONG, async () => {
  await page.goto(`${site.url}/?practice=${encodeURIComponent('<img src=x onerror=alert(1)>')}`);
  await page.waitForSelector('.guide .say.bad');
  assert.match(await page.locator('.guide .say.bad').innerText(), /There is no such drill\s+Nothing here is called <img src=x/);
  assert.equal(await page.locator('.guide img').count(), 0);
});

test('no error in the console', () => {
  assert.deepEqual(b.wrong.console, []);
  assert.deepEqual(b.wrong.foreign, []);
});
