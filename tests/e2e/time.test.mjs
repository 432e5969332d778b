// Time travel in the real thing: undo, redo, branches, the disk after a reload, links. A running container runs on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, realSite, screen, sees, type } from './support.mjs';

let site;
let b;
let page;
const LONG = { timeout: 240_000 };

before(async () => {
  site = await realSite();
  b = await browser();
  page = await b.open(`${site.url}/`);
  await place('0 of 0');
});
after(async () => {
  await b?.close();
  await site?.close();
});

const exec = async (line) => (await page.evaluate((l) => globalThis.bottleship.exec(l), line)).stdout;
/** Until the timeline is somewhere. */
async function place(text) {
  try {
    await page.waitForFunction((t) => document.querySelector('.place')?.textContent === t, text, { timeout: 60_000 });
  } catch (error) {
    throw new Error(`the timeline is at ${await page.locator('.place').textContent()}, not ${text}; the terminal shows:\n${await screen(page)}`, { cause: error });
  }
}
async function run(line, then) {
  await type(page, line);
  await place(then);
}
const press = async (name, then) => {
  await page.getByRole('button', { name, exact: true }).click();
  await place(then);
};
const undo = (then) => press('Undo the last command', then);
const redo = (then) => press('Redo', then);
const command = () => page.locator('.time > code').textContent();

test('each command is a step; undo brings back what was removed, with its processes', LONG, async () => {
  await run('docker pull -q busybox', '1 of 1');
  await run(`docker run -d --name counter busybox sh -c 'i=0; while true; do i=$((i+1)); echo $i > /n; sleep 0.2; done'`, '2 of 2');
  await run('cd /tmp; WORD=kept; echo on disk > /root/note', '3 of 3');
  await page.waitForTimeout(1000);
  await run('docker rm -f counter; docker rmi busybox; rm /root/note', '4 of 4');
  assert.equal(await exec('docker ps -aq; docker images -q'), '');
  await undo('3 of 4');
  assert.equal(await command(), 'cd /tmp; WORD=kept; echo on disk > /root/note');
  await page.getByRole('button', { name: /^Container counter, running/ }).waitFor();
  const one = Number(await exec('docker exec counter cat /n'));
  await page.waitForTimeout(1000);
  const two = Number(await exec('docker exec counter cat /n'));
  assert.ok(one > 0 && two > one, `the container counts on: ${one}, then ${two}`);
  assert.equal(await exec('cat /root/note'), 'on disk\n');
});

test('the shell is where it was, and a new command makes a branch', LONG, async () => {
  await run('echo "$WORD in $PWD"', '4 of 4');
  await sees(page, /^kept in \/tmp$/m);
  await page.getByRole('button', { name: 'Branch 2 of 2' }).click();
  await page.waitForFunction(() => /^docker rm -f counter/.test(document.querySelector('.time > code').textContent));
  assert.equal(await exec('docker images -q'), '');
  await page.getByRole('button', { name: 'Branch 1 of 2' }).click();
  await page.waitForFunction(() => /WORD in/.test(document.querySelector('.time > code').textContent));
  await page.getByRole('button', { name: /^Container counter, running/ }).waitFor();
});

test('back to the start, forward again, and by the slider', LONG, async () => {
  for (const n of [3, 2, 1, 0]) await undo(`${n} of 4`);
  assert.equal(await exec('docker ps -aq; docker images -q'), '');
  assert.ok(await page.getByRole('button', { name: 'Undo the last command', exact: true }).isDisabled());
  for (const n of [1, 2, 3, 4]) await redo(`${n} of 4`);
  assert.match(await exec('docker ps'), /counter/);
  const slider = page.getByRole('slider', { name: 'Command' });
  assert.match(await slider.getAttribute('aria-valuetext'), /^after echo "\$WORD in \$PWD"$/);
  await slider.focus();
  await page.keyboard.press('ArrowLeft');
  await place('3 of 4');
  await page.keyboard.press('Home');
  await place('0 of 4');
  await page.keyboard.press('End');
  await place('4 of 4');
  await page.locator('.logo').focus();
  await page.keyboard.press('[');
  await place('3 of 4');
});

test('what was undone is undone on the disk, too', LONG, async () => {
  for (const n of [2, 1]) await undo(`${n} of 4`);
  await page.reload();
  await page.evaluate(() => globalThis.bottleship.ready);
  assert.equal(await exec('docker ps -aq; ls /root/note 2>/dev/null'), '');
  assert.match(await exec('docker images'), /^busybox/m);
  await place('1 of 1');
  await run('docker rmi busybox', '2 of 2');
  await undo('1 of 2');
  assert.match(await exec('docker run --rm busybox echo back from disk'), /back from disk/);
});

test('a link runs the session again, on a host of its own, after asking', LONG, async () => {
  await b.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await run('docker volume create linked', '2 of 2');
  await page.evaluate(() => globalThis.bottleship.fs.writeFile('/root/app/x', 'no').catch(() => {}));
  await page.getByRole('button', { name: 'Copy as a link' }).click();
  await page.waitForFunction(async () => /#session=/.test(await navigator.clipboard.readText()));
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const other = await b.context.newPage();
  const mine = page;
  await mine.goto('about:blank');
  page = other;
  await page.goto(link);
  const dialog = page.getByRole('dialog', { name: 'Run this session?' });
  await dialog.waitFor();
  assert.match(await dialog.innerText(), /docker pull -q busybox[^]*docker volume create linked/);
  await page.evaluate(() => globalThis.bottleship.ready);
  assert.doesNotMatch(page.url(), /session/, 'a reload does not ask again');
  await dialog.getByRole('button', { name: /^Run all/ }).click();
  // Not the prompt after it: the shell may lose it when the terminal's size changes at that moment (ARCHITECTURE.md).
  await sees(page, /# docker volume create linked\nlinked(\n|$)/, 60_000);
  assert.match(await exec('docker volume ls; docker images'), /linked[^]*busybox/, await screen(page));
  await page.waitForSelector('.banner:has-text("Nothing is kept")');
  // The own host is untouched.
  await page.goto(site.url);
  await page.evaluate(() => globalThis.bottleship.ready);
  assert.match(await exec('docker volume ls'), /linked/);
  await exec('docker volume rm linked');
  await page.goto('about:blank');
  await page.goto(link);
  await dialog.getByRole('button', { name: 'Don’t' }).click();
  await page.evaluate(() => globalThis.bottleship.ready);
  assert.doesNotMatch(await exec('docker volume ls'), /linked/, 'nothing ran');
});

test('a damaged link says so and the page goes on', LONG, async () => {
  await page.goto('about:blank');
  await page.goto(`${site.url}/#session=AAAA`);
  await page.getByRole('dialog', { name: 'This link can’t be opened' }).waitFor();
  await page.keyboard.press('Escape');
  await page.evaluate(() => globalThis.bottleship.ready);
  assert.deepEqual(b.wrong.console, []);
  assert.deepEqual(b.wrong.foreign, []);
});
