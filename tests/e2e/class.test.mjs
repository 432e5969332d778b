// A class without a server: a learner saves results, a teacher drops files. The table is the program's, byte for byte.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { axePath, browser, realSite, root, settle, type } from './support.mjs';

const axe = readFileSync(axePath, 'utf8');
const LONG = { timeout: 240_000 };
const HOSTILE = '<img src=x onerror="globalThis.pwned=1">';
let site;
let b;
let dir;
let page;

before(async () => {
  site = await realSite();
  b = await browser();
  dir = mkdtempSync(join(tmpdir(), 'bottleship-class-'));
});
after(async () => {
  await b?.close();
  await site?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A result file as a stranger would make it. */
const result = (learner, lesson = {}) =>
  JSON.stringify({
    bottleship: 'class result',
    payload: JSON.stringify({ version: 1, learner, exported: 5, lessons: [{ lesson: 'docker/01-run', title: 'Run', seed: '', tasks: ['a', 'b'], points: 0, ofPoints: 2, events: [{ at: 1000, what: 'started' }, { at: 9000, what: 'done', of: 'a' }], commands: [{ at: 1000, line: 'docker run hello-world', exit: 0 }, { at: 5000, line: 'docker rm nothing', exit: 1, error: 'Error: No such container: nothing' }], ...lesson }] }),
  });
const put = (name, data) => {
  const path = join(dir, name);
  writeFileSync(path, data);
  return path;
};
const heat = () => page.locator('table.heat').innerText();

test('a learner saves results, and a teacher reads them', LONG, async () => {
  const learner = await b.open(`${site.url}/?lesson=run`);
  await learner.waitForSelector('.task.now', { timeout: 60_000 });
  await type(learner, 'docker run hello-world');
  await learner.waitForSelector('.task.done', { timeout: 60_000 });
  await learner.waitForFunction(() => localStorage.getItem('bottleship:commands:run')?.includes('hello-world'));
  await learner.getByRole('button', { name: 'Save my results' }).click();
  await learner.getByLabel('Your name').fill('Amara O.');
  await learner.getByLabel(/^Class code/).fill('harbour-27');
  const [download] = await Promise.all([learner.waitForEvent('download'), learner.getByRole('button', { name: 'Save', exact: true }).click()]);
  assert.equal(download.suggestedFilename(), 'results-Amara-O-.json');
  await download.saveAs(join(dir, 'amara.json'));
  page = await b.open(`${site.url}/class.html`, { ready: false });
  await page.getByLabel('Class code').fill('harbour-27');
  await page.locator('#files').setInputFiles([join(dir, 'amara.json'), put('ben.json', result('Ben'))]);
  await page.waitForSelector('table.heat');
  assert.match(await page.locator('.class-out').innerText(), /2 learners/);
  const row = page.locator('tbody tr', { hasText: 'Amara O.' });
  assert.match(await row.innerText(), /signed\s+docker run hello-world/);
  assert.match(await page.locator('tbody tr', { hasText: 'Ben' }).innerText(), /not checked/);
  await page.getByLabel('Class code').fill('other');
  await page.getByLabel('Class code').blur();
  await page.waitForSelector('.say.bad:has-text("Some signatures are bad")');
});

test('the table is the program’s', LONG, async (t) => {
  const program = process.env.BOTTLESHIP ?? [join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'release/bottleship'), join(root, 'target/debug/bottleship')].find(existsSync);
  if (!program) return t.skip('no bottleship program is built');
  await page.getByLabel('Class code').fill('harbour-27');
  await page.getByLabel('Class code').blur();
  await page.waitForSelector('td:has-text("signed")');
  await page.waitForSelector('.say.bad', { state: 'detached' });
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Table (CSV)' }).click()]);
  const theirs = await new Promise((resolve, reject) => execFile(program, ['class', 'report', '--code', 'harbour-27', join(dir, 'amara.json'), join(dir, 'ben.json')], (error, stdout) => (error ? reject(error) : resolve(stdout))));
  assert.equal(readFileSync(await download.path(), 'utf8'), theirs);
  assert.match(theirs, /Ben,unknown,docker\/01-run,b,stuck,,0,false/);
});

test('where learners are stuck is seen, and said', LONG, async () => {
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.locator('#files').setInputFiles(['Cai', 'Dov', 'Eva'].map((n, i) => put(`${n}.json`, result(n, i === 2 ? { events: [{ at: 0, what: 'started' }, { at: 4000, what: 'done', of: 'a' }, { at: 9000, what: 'done', of: 'b' }] } : {}))));
  await page.waitForSelector('table.heat');
  assert.match(await page.locator('.class-lesson > p').first().innerText(), /1 of 3 finished\. 2 stuck at b: Cai, Dov\./);
  assert.deepEqual(await page.locator('tfoot td').allInnerTexts(), ['0', '2', '']);
  assert.equal(await page.locator('tbody tr', { hasText: 'Cai' }).locator('td').nth(1).locator('.sr').innerText(), 'stuck');
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    await settle(page);
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run(document).then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`)));
    assert.deepEqual(found, [], theme);
  }
});

test('a learner’s commands are stepped through, and run in a host only when asked', LONG, async () => {
  await page.getByRole('button', { name: 'Cai' }).click();
  const replay = page.getByRole('region', { name: 'Commands of a learner' });
  assert.match(await replay.locator('.replay-now').innerText(), /\$ docker run hello-world\s+1 of 2, 0 min 0 s/);
  await replay.getByRole('button', { name: 'Next command' }).click();
  assert.match(await replay.locator('.replay-now').innerText(), /2 of 2, 0 min 4 s after the first, exit code 1\s+Error: No such container: nothing/);
  const [tab] = await Promise.all([b.context.waitForEvent('page'), replay.getByRole('link', { name: 'Run up to here in a host' }).click()]);
  await tab.getByRole('dialog').getByText('docker rm nothing').waitFor({ timeout: 60_000 });
  await tab.close();
});

test('W39 W47 W48 T hostile files are left out with their reason, and run nothing', LONG, async () => {
  await page.getByRole('button', { name: 'Clear' }).click();
  await page.locator('#files').setInputFiles([
    put('nothing.json', '{}'),
    put('deep.json', '['.repeat(400_000)),
    put('large.json', 'x'.repeat((1 << 20) + 1)),
    put('bytes.json', new Uint8Array([0xff, 0xfe, 0])),
    put('proto.json', result('P').replace('\\"version\\":1', '\\"__proto__\\":{\\"polluted\\":1},\\"version\\":1')),
    put('many.json', result('M', { events: Array.from({ length: 2001 }, () => ({ at: 1, what: 'hint', of: 'a' })) })),
    put(`${HOSTILE.replaceAll('/', '')}.json`, result(HOSTILE, { lesson: HOSTILE, title: `\u202e${HOSTILE}`, tasks: [HOSTILE, 'javascript:alert(1)'], commands: [{ at: 1, line: `${HOSTILE}\u0007\u001b]0;x`, exit: 1, error: HOSTILE }] })),
  ]);
  await page.waitForSelector('table.heat');
  const out = await page.locator('.refused').innerText();
  for (const reason of [/nothing\.json: it is no result file: missing field/, /deep\.json: it is no result file: invalid type: sequence/, /large\.json: it has 1048577 bytes; a result has at most 1048576/, /bytes\.json: it is no text/, /proto\.json: it is no result file: unknown field `__proto__`/, /many\.json: a lesson has more than 2000 events/]) assert.match(out, reason);
  assert.match(await heat(), /<img src=x onerror/);
  assert.match(await page.locator('.class-lesson h3').innerText(), /⟨U\+202E⟩<img/);
  await page.locator('tbody button').click();
  assert.equal(await page.locator('main img').count(), 0);
  assert.equal(await page.evaluate(() => globalThis.pwned ?? Object.prototype.polluted), undefined);
  // A command that can't be typed makes no link.
  assert.match(await page.getByRole('region', { name: 'Commands of a learner' }).innerText(), /No link/);
});

test('the page works without a network', LONG, async () => {
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(async () => (await caches.keys()).some((k) => k.startsWith('page-')) && navigator.serviceWorker.controller);
  await b.context.setOffline(true);
  await page.goto(`${site.url}/class.html`);
  await page.locator('#files').setInputFiles(join(dir, 'Cai.json'));
  await page.waitForSelector('table.heat');
  await b.context.setOffline(false);
});

test('no error in the console, no request elsewhere, no violation of the policy', async () => {
  assert.deepEqual(b.wrong.console, []);
  assert.deepEqual(b.wrong.foreign, []);
  assert.deepEqual(await page.evaluate(() => globalThis.cspViolations), []);
});
