// The course from its first lesson to its last, and the drills, as a learner does them: lessons by typing and clicking,
// drills by the bridge of the page. BOTTLESHIP_ALL_DRILLS=1 takes all drills; without it some, always the same
// (BOTTLESHIP_DRILL_SEED=TEXT draws others).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, realSite, root, screen } from './support.mjs';

const SOME = 12;
/** Pages that do drills at the same time. */
const PAGES = 2;
const seed = process.env.BOTTLESHIP_DRILL_SEED ?? 'those of every run';
const site = await realSite();
const index = async (dir) => (await fetch(`${site.url}/${dir}/index.json`)).json();
const lessons = await index('lessons');
const drills = (await index('drills')).flatMap((bank) => bank.drills.map((drill) => drill.id));
let b;

before(async () => {
  b = await browser({ context: { serviceWorkers: 'block' } });
});
after(async () => {
  await b?.close();
  await site?.close();
});

/** Which choices of a lesson's questions are right, by question. @param {string} path */
function answers(path) {
  const quizzes = [];
  let open = false;
  for (const line of readFileSync(join(root, 'static', path), 'utf8').split('\n')) {
    const choice = /^- \[([ x])\] /.exec(line);
    if (choice) {
      if (!open) quizzes.push([]);
      open = true;
      quizzes.at(-1).push(choice[1] === 'x');
    } else if (line && !/^\s/.test(line)) open = false;
  }
  return quizzes;
}

/** Types lines as a learner does, each when the one before has been taken. @param {import('playwright-core').Page} page */
async function typeLines(page, text) {
  await page.locator('.xbody:not([hidden]) .xterm-helper-textarea').focus();
  for (const line of text.replace(/\n$/, '').split('\n')) {
    await page.keyboard.type(line);
    await page.keyboard.press('Enter');
  }
}

assert.equal(lessons.length, 16);
for (const lesson of lessons) {
  test(`the lesson ${lesson.name}, by typing`, { timeout: 900_000 }, async () => {
    const page = b.context.pages()[0];
    await page.goto(`${site.url}/?lesson=${lesson.name}`);
    await page.waitForSelector('.task.now', { timeout: 60_000 });
    const tasks = await page.locator('.guide .task').count();
    for (let done = 0; done < tasks; ) {
      const task = page.locator('.guide .task.now');
      const id = await task.getAttribute('id');
      await task.getByRole('button', { name: 'Show a solution' }).click();
      const solution = await task.locator('.fence code').last().textContent();
      await typeLines(page, solution);
      try {
        await page.waitForSelector(`#${id}.done`, { timeout: 180_000 });
      } catch {
        assert.fail(`${id} of ${lesson.name} is not done: ${await page.locator(`#${id}`).innerText()}\n${await screen(page)}`);
      }
      done = await page.locator('.guide .task.done').count();
    }
    const forms = page.locator('.guide form.quiz');
    const right = answers(lesson.path);
    assert.equal(await forms.count(), right.length, 'questions');
    for (const [i, choices] of right.entries()) {
      const form = forms.nth(i);
      for (const [at, chosen] of choices.entries()) if (chosen) await form.locator('label').nth(at).click();
      await form.getByRole('button', { name: 'Check' }).click();
      await form.and(page.locator('.right')).waitFor();
    }
    assert.equal(await page.locator('.strip').textContent(), `Lesson finished${lesson === lessons.at(-1) ? '' : 'Next lesson'}`);
    assert.equal(await page.locator('.guide .foot .num').innerText(), `${tasks} of ${tasks} tasks`);
  });
}

const rank = (id) => createHash('sha256').update(`${seed} ${id}`).digest('hex');
const chosen = process.env.BOTTLESHIP_ALL_DRILLS === '1' ? drills : drills.toSorted((a, z) => (rank(a) < rank(z) ? -1 : 1)).slice(0, SOME);
test(`${chosen.length} of ${drills.length} drills, as of ${seed}`, { timeout: 900_000 }, async () => {
  assert.ok(drills.length > 100);
  const queue = [...chosen];
  const failed = [];
  const work = async () => {
    const page = await b.context.newPage();
    for (let id = queue.shift(); id; id = queue.shift()) {
      try {
        await page.goto(`${site.url}/?practice=${id}&seed=${seed}`);
        await page.getByRole('button', { name: 'Show a solution' }).click({ timeout: 60_000 });
        assert.equal(await page.locator('.goals .task.done').count() === await page.locator('.goals .task').count(), false, 'it is done before anything was');
        const solution = await page.locator('.drill-state .fence code').textContent();
        await page.evaluate((line) => globalThis.bottleship.exec(line), solution);
        await page.waitForSelector('.drill-state .say', { timeout: 60_000 });
        assert.match(await page.locator('.drill-state .say').innerText(), /Done, with the solution/);
      } catch (error) {
        failed.push(`${id}: ${/** @type {Error} */ (error).message.split('\n')[0]}\n${await page.locator('.drill-state').innerText().catch(() => '')}`);
      }
    }
    await page.close();
  };
  await Promise.all(Array.from({ length: PAGES }, work));
  assert.deepEqual(failed, []);
});

test('no error in the console', () => assert.deepEqual(b.wrong.console, []));
