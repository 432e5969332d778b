// A lesson in the page: taken by clicking and typing, on the real engine. Its file is the test's own.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { axePath, browser, realSite, screen, sees, type } from './support.mjs';

const axe = readFileSync(axePath, 'utf8');
const LONG = { timeout: 240_000 };
const FILE = `---
title: Two containers
summary: Make two, remove one.
minutes: 2
tasks:
  make:
    title: Make a container called \`one\`
    check:
      - container: {name: one}
        says: There is a container called one
    hints:
      - "\`docker create\` makes one."
      - says: You called it \`eins\`.
        when: {container: {name: eins}}
    wrong: docker create --name eins busybox
  file:
    title: Save the note
    check: {file: {path: /root/notes/a.txt, contains: hello}}
    solution: mkdir -p notes; echo hello >notes/a.txt
  gone:
    title: Remove it
    needs: [make]
    check: {no-container: {name: one}}
    solution: docker rm one
---

# Two containers

Text with <b>markup</b> and a [link](javascript:alert(1)).

\`\`\`sh
docker create --name one busybox
\`\`\`

<!-- task make -->

\`\`\`text save-as=notes/a.txt
hello
\`\`\`

<!-- task file -->
<!-- task gone -->

Which one is right?

- [ ] This one

  > No, the other.

- [x] That one
`;
const ENTRY = (name, title) => ({ name, path: `./lessons/${name}.md`, course: 'test', title, summary: 'S', level: 'beginner', minutes: 2 });

let site;
let b;
let page;

/** Lessons of this test in the place of the site's. @param {string} file */
const serve = async (file = FILE) => {
  await b.context.unroute('**/lessons/**').catch(() => {});
  await b.context.route('**/lessons/index.json', (route) => route.fulfill({ json: [ENTRY('two', 'Two containers'), ENTRY('after', 'What comes after')] }));
  await b.context.route('**/lessons/*.md', (route) => route.fulfill({ body: file, contentType: 'text/markdown' }));
};

before(async () => {
  site = await realSite();
  b = await browser({ context: { serviceWorkers: 'block' } });
  await serve();
});
after(async () => {
  await b?.close();
  await site?.close();
});

const task = (id) => page.locator(`#task-${id}`);
const done = (id) => page.waitForSelector(`#task-${id}.done`, { timeout: 60_000 });

test('the list leads to a lesson, on a host of its own', LONG, async () => {
  page = await b.open(`${site.url}/`);
  await page.evaluate(() => globalThis.bottleship.exec('docker create --name of-the-playground busybox'));
  await page.getByRole('button', { name: 'Lessons' }).click();
  await page.getByRole('link', { name: /Two containers/ }).click();
  await page.waitForSelector('#task-make.now', { timeout: 60_000 });
  assert.match(page.url(), /lesson=two/);
  const { stdout } = await page.evaluate(() => globalThis.bottleship.exec('docker ps -aq'));
  assert.equal(stdout, '');
  assert.equal(await page.locator('.guide .read b').count(), 0, 'markup of a lesson stays text');
  assert.equal(await page.locator('.guide a[href^="javascript"]').count(), 0);
});

test('a wrong way gets a hint from the host’s state', LONG, async () => {
  await type(page, 'docker create --name eins busybox');
  await page.waitForSelector('#task-make .nudge', { timeout: 60_000 });
  assert.match(await task('make').innerText(), /You called it eins/);
  await task('make').getByRole('button', { name: 'Hint' }).click();
  await page.waitForSelector('#task-make .hint');
});

test('a fence runs in the terminal, and its task ticks itself', LONG, async () => {
  await page.getByRole('button', { name: 'Run docker create --name one busybox' }).click();
  await done('make');
  assert.match(await screen(page), /docker create --name one busybox/);
  assert.match(await page.locator('.guide .foot').innerText(), /1 of 3 tasks/);
});

test('a fence is saved as a file of the host', LONG, async () => {
  await page.getByRole('button', { name: 'Save as notes/a.txt' }).click();
  await done('file');
  const { stdout } = await page.evaluate(() => globalThis.bottleship.exec('cat /root/notes/a.txt'));
  assert.equal(stdout, 'hello\n');
});

test('a question says whether the answer is right', LONG, async () => {
  await page.getByLabel('This one').check();
  await page.getByRole('button', { name: 'Check' }).click();
  await page.waitForSelector('.quiz.wrong');
  assert.match(await page.locator('.quiz .reply').innerText(), /No, the other/);
  await page.getByLabel('That one').check();
  await page.getByRole('button', { name: 'Check' }).click();
  await page.waitForSelector('.quiz.right');
});

test('progress and host survive a reload', LONG, async () => {
  await page.reload();
  await done('make');
  await page.waitForSelector('#task-gone.now', { timeout: 60_000 });
  const { stdout } = await page.evaluate(async () => (await globalThis.bottleship.ready, globalThis.bottleship.exec('docker ps -a --format "{{.Names}}"')));
  assert.equal(stdout, 'one\neins\n');
});

test('a solution is shown and finishes the lesson', LONG, async () => {
  await task('gone').getByRole('button', { name: 'Show a solution' }).click();
  await task('gone').getByRole('button', { name: 'Run the solution' }).click();
  await done('gone');
  assert.match(await page.locator('.guide .foot').innerText(), /3 of 3 tasks/);
  await page.waitForSelector('.guide .foot .btn.pri:has-text("Next lesson")');
});

test('nothing is wrong for assistive technology', LONG, async () => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run('#guide').then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`)));
  assert.deepEqual(found, []);
});

test('starting over empties the lesson’s host and no other', LONG, async () => {
  await page.getByRole('button', { name: 'Start over' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Start over' }).click();
  await page.waitForSelector('#task-make.now', { timeout: 60_000 });
  await page.getByRole('button', { name: 'Close the lessons' }).click();
  await page.waitForFunction(async () => (await globalThis.bottleship.exec('docker ps -a --format "{{.Names}}"').catch(() => ({ stdout: '' }))).stdout === 'of-the-playground\n', null, { timeout: 60_000 });
});

test('a phone has the task in sight and the lesson behind it', LONG, async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${site.url}/?lesson=two`);
  await page.waitForSelector('#task-make.now', { timeout: 60_000 });
  await page.getByRole('button', { name: 'Run docker create --name one busybox' }).click();
  await sees(page, /docker create --name one/);
  await page.waitForFunction(() => /Remove it|Save the note/.test(document.querySelector('.strip')?.textContent ?? ''), null, { timeout: 60_000 });
  assert.ok(await page.locator('.strip').isVisible());
  assert.ok(!(await page.locator('#guide .lesson').isVisible()));
  await page.getByRole('button', { name: 'Read' }).click();
  assert.ok(await page.locator('#guide .lesson').isVisible());
});

test('a wrong file says its line', LONG, async () => {
  await serve(FILE.replace('minutes: 2', 'minutes: 2\nhurry: yes'));
  await page.reload();
  await page.waitForSelector('#guide .say.bad', { timeout: 60_000 });
  assert.match(await page.locator('#guide .say.bad').innerText(), /line 5: unknown key `hurry`/);
});
