// Writes screenshots of every view to target/shots: node tests/e2e/shots.mjs [--real]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { browser, doubleSite, realSite, root, sees, type } from './support.mjs';

const out = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'shots');
mkdirSync(out, { recursive: true });
const real = process.argv.includes('--real');
const only = process.argv.find((a) => a.startsWith('--only='))?.slice(7);
const site = real ? await realSite() : await doubleSite();
const b = await browser();
try {
  const page = await b.open(site.url, { ready: false });
  const shoot = async (name) => {
    if (only && !name.includes(only)) return;
    await page.waitForTimeout(350);
    await page.screenshot({ path: join(out, `${name}.png`) });
    console.log(`target/shots/${name}.png`);
  };
  const view = async (name) => page.evaluate((v) => document.querySelector(`#view-${v}`).click(), name);
  const themes = async (name) => {
    for (const theme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: theme });
      await shoot(`${name}-${theme}`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
  };
  if (!real) {
    // The first start, held up.
    await page.route('**/host.tar', async () => {});
    await page.reload();
    await page.waitForSelector('.starting');
    await shoot('loading-light');
    await page.unroute('**/host.tar');
    await page.reload();
  }
  await page.evaluate(() => globalThis.bottleship.ready);
  await themes('empty');
  const scenario = async (name) => {
    if (!real) await page.evaluate((n) => globalThis.bottleship.exec(`scenario ${n}`), name);
    await page.waitForTimeout(500);
  };
  if (real) {
    const lines = [
      'docker pull -q alpine',
      'docker volume create data',
      'mkdir -p shop && printf "FROM busybox\\nCOPY . /www\\nCMD [\\"httpd\\", \\"-f\\", \\"-h\\", \\"/www\\"]\\n" > shop/Dockerfile && echo hello > shop/index.html',
      'docker build -q -t shop shop',
      'docker network create front',
      'docker run -d --name web --network front -p 8080:80 shop',
      'docker run -d --name db --network front -v data:/data alpine sleep 10000',
      'docker run hello-world',
      'docker ps',
    ];
    for (const line of lines) {
      await type(page, line);
      await page.waitForTimeout(4000);
    }
  } else {
    await type(page, 'echo hello');
    await type(page, 'docker run --name web nginx');
    await sees(page, /Conflict/);
  }
  await scenario('two');
  await themes('host-two');
  await scenario('full');
  await themes('host-full');
  await page.getByRole('button', { name: 'List' }).click();
  await shoot('host-list-full-light');
  await page.getByRole('button', { name: 'Stacks' }).click();
  await shoot('host-stacks-full-light');
  await page.locator('[data-key^="c:"]').first().click();
  await themes('facts-container');
  await page.locator('[data-key^="c:"].sel').click();
  await page.locator('.slab').nth(1).click();
  await shoot('facts-layer-light');
  await page.locator('.slab.sel').click();
  await view('build');
  await themes('build');
  await view('sizes');
  await themes('sizes');
  await view('files');
  await themes('files');
  if (!real) {
    await page.getByRole('treeitem', { name: /hello/ }).click();
    await page.getByRole('treeitem', { name: /Dockerfile/ }).click();
    await page.waitForSelector('.cm-content');
    await themes('editor');
  }
  await page.keyboard.press('F6');
  await page.keyboard.press('F6');
  await view('host');
  await page.locator('.logo').focus();
  await page.keyboard.press('?');
  await page.waitForSelector('dialog');
  await themes('help');
  await page.keyboard.press('Escape');
  for (const [name, width, height] of [['tablet', 800, 1000], ['narrow', 1000, 700], ['phone', 390, 844]]) {
    await page.setViewportSize({ width, height });
    for (const v of ['host', 'files', 'build', 'sizes']) {
      await view(v);
      await shoot(`${name}-${v}-light`);
    }
    await view('host');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shoot(`${name}-host-dark`);
    await page.emulateMedia({ colorScheme: 'light' });
  }
  await page.setViewportSize({ width: 390, height: 420 });
  await shoot('phone-keyboard-light');
  await page.setViewportSize({ width: 1440, height: 900 });
  if (!real) {
    const second = await b.open(site.url, { ready: false });
    await second.waitForSelector('text=open in another tab');
    await second.screenshot({ path: join(out, 'taken-light.png') });
    await second.close();
    await page.evaluate(() => globalThis.bottleship.exec('fail'));
    await page.waitForSelector('text=The Docker host stopped');
    await themes('error');
  }
  console.log(JSON.stringify(b.wrong, null, 1));
} finally {
  await b.close();
  await site.close();
}
