// An author's live preview: `bottleship lesson serve` shows a file anew as it is saved, on the host as it is; what is wrong
// is said with file and line, in the page and in the terminal.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bottleship, browser, sitePath, type } from './support.mjs';

const LONG = { timeout: 240_000 };
const LESSON = `---
title: My lesson
summary: S
minutes: 1
files:
  note.txt: prepared
tasks:
  make:
    title: Make a file
    check: {file: {path: /root/made}}
    solution: touch /root/made
---

The first text.

<!-- task make -->
`;
const dir = mkdtempSync(join(tmpdir(), 'bottleship-author-'));
const file = join(dir, 'course/01-mine.md');

let server;
let said = '';
let url = '';
let b;
let page;

before(async () => {
  mkdirSync(join(dir, 'course'));
  writeFileSync(file, LESSON);
  server = spawn(bottleship(), ['lesson', 'serve', dir, '--addr', '127.0.0.1:0', '--site', sitePath()]);
  for (const out of [server.stdout, server.stderr]) out.on('data', (d) => (said += d));
  url = await until(() => /listening on (http:\/\/\S+)/.exec(said)?.[1]);
  b = await browser();
});
after(async () => {
  await b?.close();
  server?.kill();
  rmSync(dir, { recursive: true, force: true });
});

/** @template T @param {() => T} what @returns {Promise<NonNullable<T>>} */
async function until(what) {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    const value = what();
    if (value) return value;
    await new Promise((r) => setTimeout(r, 50));
  }
  throw new Error(`it never came; the server said:\n${said}`);
}

/** A text in the guide's pane. @param {RegExp} pattern */
const reads = (pattern) => page.waitForFunction(([source]) => new RegExp(source).test(document.querySelector('#guide')?.textContent ?? ''), [pattern.source], { timeout: 60_000 });
const exec = (line) => page.evaluate((l) => globalThis.bottleship.exec(l), line);

test('a saved lesson is shown anew, and its host stays', LONG, async () => {
  page = await b.open(`${url}/?lesson=mine`);
  await page.waitForSelector('#task-make.now', { timeout: 60_000 });
  await exec('docker create --name kept busybox && echo mine >/root/mine');
  writeFileSync(file, LESSON.replace('The first text.', 'The second text, {{not a variable}}.').replace('Make a file', 'Make a fine file'));
  await reads(/The second text/);
  await reads(/Make a fine file/);
  const { stdout } = await exec('cat /root/mine /root/note.txt; docker ps -a --format "{{.Names}}"');
  assert.equal(stdout, 'mine\npreparedkept\n');
  await type(page, 'touch /root/made');
  await page.waitForSelector('#task-make.done', { timeout: 60_000 });
  writeFileSync(file, LESSON.replace('The first text.', 'The third text.'));
  await reads(/The third text/);
  await page.waitForSelector('#task-make.done', { timeout: 60_000 });
});

test('what is wrong is said with its file and line, and what was right stays', LONG, async () => {
  writeFileSync(file, LESSON.replace('minutes: 1', 'minutes: 1\nhurry: yes'));
  const alert = page.locator('#guide [role=alert]');
  await alert.waitFor({ timeout: 60_000 });
  assert.match(await alert.innerText(), /course\/01-mine\.md:5.*unknown key `hurry`/s);
  await reads(/The third text/);
  await until(() => /01-mine\.md:5: unknown key `hurry`/.test(said));
  writeFileSync(file, LESSON.replace('The first text.', 'The fourth text.'));
  await reads(/The fourth text/);
  assert.equal(await alert.count(), 0);
});

test('a lesson that prepares the host otherwise says so and starts over when asked', LONG, async () => {
  writeFileSync(file, LESSON.replace('note.txt: prepared', 'note.txt: anew'));
  await page.locator('#guide .guide-notes').getByRole('button', { name: 'Start over' }).click();
  await page.waitForFunction(async () => (await globalThis.bottleship.exec('cat /root/note.txt; ls /root/mine').catch(() => ({ stdout: '' }))).stdout === 'anew', null, { timeout: 60_000 });
  await page.waitForSelector('#task-make.now', { timeout: 60_000 });
});

test('a new file is in the list', LONG, async () => {
  writeFileSync(join(dir, 'course/02-other.md'), LESSON.replace('My lesson', 'Another lesson'));
  await until(() => /02-other\.md is fine/.test(said));
  await page.locator('#guide nav.tabs').getByText('Lessons').click();
  await page.getByRole('link', { name: /Another lesson/ }).waitFor({ timeout: 60_000 });
  assert.deepEqual(b.wrong.console.filter((text) => !/favicon/.test(text)), []);
});
