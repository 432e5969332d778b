// What was acknowledged survives a kill -9 of the browser, at any moment; what was not is there whole or not at all.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { browser, realSite } from './support.mjs';

let site;
before(async () => {
  site = await realSite();
});
after(() => site?.close());

const exec = (page, line) => page.evaluate((l) => globalThis.bottleship.exec(l), line);

/** @param {import('playwright-core').Page} page @param {string} line */
async function ok(page, line) {
  const { exitCode, stdout, stderr } = await exec(page, line);
  assert.equal(exitCode, 0, `${line}: ${stderr}`);
  return stdout;
}

const image = (name, ...command) => ({ there: `docker image inspect ${name}`, check: `docker run --rm ${name} ${command.join(' ')}` });

/**
 * Commands, what is there once they are acknowledged (`there` succeeds, or with `gone` fails), and a command that prints
 * `says` if it is whole.
 */
const STEPS = [
  { line: 'docker pull -q busybox', ...image('busybox', 'echo pulled'), says: 'pulled\n' },
  { line: 'docker run --name one busybox sh -c "echo kept > /file; head -c 300000 /dev/zero > /big"', there: 'docker inspect one', check: 'docker cp one:/file - | tar xO; docker cp one:/big - | tar xO | wc -c', says: 'kept\n300000\n' },
  { line: 'docker commit one made:1', ...image('made:1', 'cat /file'), says: 'kept\n' },
  { line: 'docker tag made:1 other:2', ...image('other:2', 'cat /file'), says: 'kept\n' },
  { line: 'docker build -q -t built /root/b', ...image('built', 'cat /a /b'), says: 'from context\nfrom run\n' },
  { line: 'docker volume create vol', there: 'docker volume inspect vol', check: 'docker volume inspect -f "{{.Name}}" vol', says: 'vol\n' },
  { line: 'docker rm one', there: 'docker inspect one', gone: true },
  { line: 'docker rmi other:2', there: 'docker image inspect other:2', gone: true },
];

/** Milliseconds into a command at which the browser is killed. */
const MOMENTS = [[2, 60], [4, 25], [6, 12], [3], [15, 45, 90], [1, 5], [4], [4]];

/** Nothing is half: all that is listed can be read to its last byte. @param {import('playwright-core').Page} page */
async function sound(page) {
  const images = (await ok(page, 'docker images -q --no-trunc')).split('\n').filter(Boolean);
  for (const id of new Set(images)) {
    assert.match(await ok(page, `docker save ${id} | tar t`), /manifest\.json/);
    await ok(page, `docker run --rm ${id} true`);
  }
  for (const id of (await ok(page, 'docker ps -aq')).split('\n').filter(Boolean)) await ok(page, `docker inspect ${id}; docker export ${id} | tar t`);
  await ok(page, 'docker system df -v');
}

/**
 * @param {import('playwright-core').Page} page @param {typeof STEPS} done what was acknowledged, in this order
 * @param {typeof STEPS[0]} [under] the step that was under way when the browser was killed: a removal may have happened
 */
async function holds(page, done, under) {
  for (const [i, step] of done.entries()) {
    if (done.slice(i + 1).some((later) => later.gone && later.there === step.there)) continue;
    if (under?.gone && under.there === step.there) continue;
    const { exitCode } = await exec(page, step.there);
    if (step.gone) assert.notEqual(exitCode, 0, `${step.line}: it is back`);
    else {
      assert.equal(exitCode, 0, `${step.line}: it is lost`);
      assert.equal(await ok(page, step.check), step.says, step.line);
    }
  }
}

test('what was acknowledged survives a kill -9 of the browser', { timeout: 600_000 }, async () => {
  let kills = 0;
  let during = 0;
  let b = await browser();
  const { profile } = b;
  try {
    let page = await b.open(site.url);
    const again = async () => {
      kills++;
      await b.kill();
      b = await browser({ profile });
      page = await b.open(site.url);
    };
    await ok(page, 'mkdir b; printf "FROM busybox\\nCOPY a /a\\nRUN echo from run > /b\\n" > b/Dockerfile; echo from context > b/a');
    // The host's own files are stored when it has been quiet for a moment.
    await page.waitForTimeout(1500);
    for (const [i, step] of STEPS.entries()) {
      for (const ms of MOMENTS[i]) {
        let acknowledged = false;
        void exec(page, step.line).then(
          (result) => (acknowledged = result.exitCode === 0),
          () => {},
        );
        await page.waitForTimeout(ms);
        await again();
        if (!acknowledged) during++;
        await sound(page);
        await (acknowledged ? holds(page, STEPS.slice(0, i + 1)) : holds(page, STEPS.slice(0, i), step));
        // There whole or not there; the next round begins without it.
        const there = (await exec(page, step.there)).exitCode === 0;
        if (step.gone) {
          if (!there) break;
        } else if (there) {
          if (step.line.startsWith('docker run')) await ok(page, 'docker rm -f one');
          else {
            assert.equal(await ok(page, step.check), step.says, `${step.line}: half`);
            await ok(page, step.line.startsWith('docker volume') ? 'docker volume rm vol' : `docker rmi -f ${step.there.split(' ').at(-1)}`);
          }
        }
      }
      if (!step.gone || (await exec(page, step.there)).exitCode === 0) await ok(page, step.line);
      await again();
      await holds(page, STEPS.slice(0, i + 1));
    }
    await sound(page);
    console.log(`${kills} kills, ${during} of them before the command had been acknowledged`);
    assert.ok(kills >= 12 && during >= 4, `${kills} kills, ${during} in the middle`);
  } finally {
    await b.kill().catch(() => {});
    rmSync(profile, { recursive: true, force: true });
  }
});
