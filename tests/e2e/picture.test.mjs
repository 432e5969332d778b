// The picture of the host: what it draws, how it moves, how it is used by keyboard and by ear. Around the double.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { axePath, browser, doubleSite } from './support.mjs';

const axe = readFileSync(axePath, 'utf8');
let site;
let b;
let page;

before(async () => {
  site = await doubleSite();
});
after(() => site.close());

/** A test in a fresh browser. */
const fresh = (name, f, { options = {}, prepare = async () => {} } = {}) =>
  test(name, { timeout: 120_000 }, async () => {
    b = await browser(options);
    try {
      await prepare(b.context);
      page = await b.open(site.url);
      await f(page);
      assert.deepEqual(await page.evaluate(() => globalThis.cspViolations), [], 'violations of the Content-Security-Policy');
      assert.deepEqual(b.wrong.foreign, [], 'requests to other sites');
      assert.deepEqual(b.wrong.console, [], 'errors in the console');
    } finally {
      await b.close();
    }
  });

const HAS = { empty: 'empty host', two: /2 images/, full: /7 images/, many: /30 images/ };
const exec = (line) => page.evaluate((l) => globalThis.bottleship.exec(l), line);
const scenario = async (name) => {
  await exec(`scenario ${name}`);
  await page.locator('.ledger', { hasText: HAS[name] }).waitFor();
};
const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);
const said = () => page.evaluate(() => globalThis.heard);
/** Keeps everything the polite region says. */
const listen = () =>
  page.evaluate(() => {
    globalThis.heard = [];
    const region = document.querySelector('#polite');
    new MutationObserver(() => region.textContent && globalThis.heard.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true });
  });

async function accessible(what) {
  await page.evaluate(() => document.getAnimations().forEach((a) => a.effect?.getComputedTiming().iterations !== Infinity && a.finish()));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(' | ')}`), [], `accessibility of ${what}`);
}

/** The value that a share of the sorted values is below. */
const quantile = (values, q) => values.toSorted((a, c) => a - c)[Math.min(values.length - 1, Math.floor(values.length * q))];

describe('many images', () => {
  fresh('30 images and 20 containers: every change within 50 ms, 60 frames a second, no layout shift', async () => {
    await scenario('many');
    await page.waitForSelector('.rows');
    await page.waitForTimeout(1500);
    // The page's own time on a processor, whatever else the machine does meanwhile.
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const cpu = async () => 1000 * ((await session.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration')?.value ?? NaN);
    const began = await cpu();
    const measured = await page.evaluate(async () => {
      const updates = [];
      const shifts = [];
      const long = [];
      new PerformanceObserver((list) => updates.push(...list.getEntries().filter((e) => e.name === 'bottleship:picture').map((e) => e.duration))).observe({ type: 'measure' });
      new PerformanceObserver((list) => shifts.push(...list.getEntries().map((e) => e.value))).observe({ type: 'layout-shift' });
      new PerformanceObserver((list) => long.push(...list.getEntries().map((e) => e.blockingDuration))).observe({ type: 'long-animation-frame' });
      const frames = [];
      let last = performance.now();
      let running = true;
      const frame = (now) => {
        frames.push(now - last);
        last = now;
        if (running) requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
      for (let i = 0; i < 50; i++) {
        await globalThis.bottleship.exec(`churn ${i}`);
        await new Promise((r) => setTimeout(r, 120));
      }
      await new Promise((r) => setTimeout(r, 300));
      running = false;
      return { updates, frames: frames.slice(1), shift: shifts.reduce((a, c) => a + c, 0), long };
    });
    const busy = (await cpu()) - began;
    const { updates, frames, shift, long } = measured;
    const figures = { updates: updates.length, update50: quantile(updates, 0.5), update95: quantile(updates, 0.95), frames: frames.length, frame50: quantile(frames, 0.5), frame95: quantile(frames, 0.95), frame99: quantile(frames, 0.99), shift, cpuOfAChange: busy / 50, cpuOfAFrame: busy / frames.length, long: long.length, blocking: long.reduce((a, c) => a + c, 0) };
    console.log(JSON.stringify(figures, (_, v) => (typeof v === 'number' ? Number(v.toFixed(3)) : v)));
    assert.ok(updates.length >= 40, `${updates.length} updates of 50`);
    assert.ok(figures.cpuOfAChange < 50, `a change takes ${figures.cpuOfAChange} ms of the processor`);
    assert.ok(figures.cpuOfAFrame < 1000 / 60, `a frame takes ${figures.cpuOfAFrame} ms of the processor`);
    assert.ok(figures.shift < 0.1, `layout shift ${shift}`);
  });

  fresh('what nobody uses is folded by family, opens by a press and by a search', async () => {
    await scenario('many');
    const folds = page.locator('.fold');
    assert.ok((await folds.count()) >= 3, 'folds');
    assert.ok((await page.locator('.leaf .cT:not(.q)').count()) < 30);
    const share = page.getByRole('button', { name: /^5 images that share nothing, 15 MB, show them/ });
    await share.waitFor();
    assert.equal(await page.getByRole('button', { name: /^Image tool-3:latest/ }).count(), 0);
    await page.locator('.logo').focus();
    await page.keyboard.press('/');
    await page.keyboard.type('tool-3');
    await page.locator('.found', { hasText: 'tool-3:latest' }).first().waitFor();
    await page.keyboard.press('Enter');
    assert.match(await focused(), /tool/);
    await page.keyboard.press('/');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^5 images that share nothing/ }).click();
    await page.getByRole('button', { name: /^Image tool-0:latest/ }).waitFor();
    assert.match(await focused(), /^Image tool-/);
    await page.getByRole('button', { name: 'All', exact: true }).click();
    assert.equal(await page.locator('.fold').count(), 0);
    assert.equal(await page.locator('.leaf .cT:not(.q)').count(), 30);
    await page.getByRole('button', { name: 'In use' }).click();
    await share.waitFor();
    await accessible('many images');
  });

  fresh('the words for it all', async () => {
    await scenario('many');
    assert.match(await page.locator('#picture-summary').innerText(), /^30 images, 20 containers of which 8 running, [\d.]+ MB in layers\.$/);
  });
});

describe('movement', () => {
  fresh('what stays keeps its element; what comes settles; what goes leaves an outline', async () => {
    await scenario('two');
    const slab = await page.getByRole('button', { name: /^Layer.*shared by 2/ }).elementHandle();
    await page.getByRole('button', { name: /^Container web/ }).focus();
    await page.evaluate(() => {
      globalThis.moved = [];
      const animate = Element.prototype.animate;
      Element.prototype.animate = function (frames, options) {
        globalThis.moved.push({ key: this.dataset?.key ?? this.className, duration: (options.delay ?? 0) + options.duration });
        return animate.call(this, frames, options);
      };
    });
    await exec('pulled 9'); // one more image on the same base
    await page.getByRole('button', { name: /^Image pulled-9/ }).waitFor();
    assert.ok(await slab.evaluate((e) => e.isConnected && /shared by 3/.test(e.getAttribute('aria-label'))), 'the base is the same element, wider');
    assert.match(await focused(), /^Container web/, 'the focus stays');
    const moved = await page.evaluate(() => globalThis.moved);
    assert.ok(moved.some((m) => m.key.startsWith('i:')), 'the new image settles');
    assert.ok(moved.every((m) => m.duration <= 900), `${Math.max(...moved.map((m) => m.duration))} ms`);
    await exec('scenario empty');
    await page.waitForSelector('.gk');
    await scenario('two');
    await exec('churn 4'); // the container goes, another comes
    await page.waitForSelector('.gonebox');
    await page.waitForSelector('.gonebox', { state: 'detached', timeout: 10_000 });
  });

  fresh(
    'with reduced motion nothing moves, what came has an outline for a while',
    async () => {
      await scenario('two');
      await exec('pulled 9');
      await page.waitForSelector('.changed');
      assert.equal(await page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length), 0);
      await page.waitForSelector('.changed', { state: 'detached', timeout: 10_000 });
    },
    { options: { context: { reducedMotion: 'reduce' } } },
  );

  fresh('one polite status a change, in words', async () => {
    await scenario('two');
    await page.waitForTimeout(900);
    await listen();
    await exec('pulled 9');
    await exec('churn 0');
    await page.waitForFunction(() => globalThis.heard.length > 0);
    assert.deepEqual(await said(), ['Pulled pulled-9:latest: 1 new layer, 1.5 MB; 1 already here. Container web has ended, exit 0.']);
  });
});

describe('keyboard', () => {
  fresh('Enter opens and closes, Space selects, two images are compared, c copies', async () => {
    await b.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await scenario('two');
    const image = page.getByRole('button', { name: /^Image nginx/ });
    await image.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'About nginx:1.27-alpine' }).waitFor();
    assert.equal(await page.locator('.slab.path').count(), 4, 'the chain of what is open is underlined');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('.facts').count(), 0);
    await page.keyboard.press('c');
    await page.waitForFunction(async () => /^sha256:[0-9a-f]{64}$/.test(await navigator.clipboard.readText()));
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: /^Image nginx.*selected/ }).waitFor();
    await page.getByRole('button', { name: /^Image redis/ }).focus();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Compare the two images' }).waitFor();
    await accessible('two selected images');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.tray:visible').count(), 0);
  });

  fresh('the list is a treegrid: arrows, Home, End, open and close', async () => {
    await scenario('two');
    await page.locator('.logo').focus();
    await page.keyboard.press('l');
    const grid = page.getByRole('treegrid');
    await grid.waitFor();
    const at = () => page.evaluate(() => document.activeElement.querySelector('th')?.textContent);
    await page.locator('tr[tabindex="0"]').focus();
    assert.equal(await at(), 'nginx:1.27-alpine');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('tr[aria-expanded=true]');
    await page.keyboard.press('ArrowDown');
    assert.equal(await at(), 'web');
    await page.keyboard.press('ArrowDown');
    assert.match(await at(), /njs modules/);
    await accessible('the list with layers');
    await page.keyboard.press('ArrowLeft');
    assert.equal(await at(), 'nginx:1.27-alpine');
    await page.keyboard.press('ArrowLeft');
    assert.equal(await page.locator('tr[aria-expanded=true]').count(), 0);
    await page.keyboard.press('End');
    assert.equal(await at(), 'bridge');
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await page.getByRole('complementary', { name: 'About nginx:1.27-alpine' }).waitFor();
    assert.equal(await page.locator('tr[tabindex="0"]').count(), 1, 'one row is reached by Tab');
  });
});

describe('what is known of a container', () => {
  fresh('its processes', async () => {
    await scenario('two');
    await page.getByRole('button', { name: /^Container web/ }).click();
    await page.getByRole('complementary', { name: 'About web' }).getByText('nginx: master process').waitFor();
  });
});
