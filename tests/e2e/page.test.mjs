// The page's own parts, around the double of the engine: layout, keys, states, flow control, accessibility.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { axePath, browser, doubleSite, screen, sees, type } from './support.mjs';

const axe = readFileSync(axePath, 'utf8');
let site;
let b;
let page;

before(async () => {
  site = await doubleSite();
});
after(() => site.close());

/** A test in a fresh browser. */
const fresh = (name, f, { options = {}, ready = true, expectErrors = false, prepare = async () => {} } = {}) =>
  test(name, { timeout: 60_000 }, async () => {
    b = await browser(options);
    try {
      await prepare(b.context);
      page = await b.open(site.url, { ready });
      await f(page);
      const violations = (await Promise.all(b.context.pages().map((p) => p.evaluate(() => globalThis.cspViolations)))).flat();
      assert.deepEqual(violations, [], 'violations of the Content-Security-Policy');
      assert.deepEqual(b.wrong.foreign, [], 'requests to other sites');
      if (!expectErrors) assert.deepEqual(b.wrong.console, [], 'errors in the console');
    } finally {
      await b.close();
    }
  });

const scenario = async (name) => {
  await page.evaluate((n) => globalThis.bottleship.exec(`scenario ${n}`), name);
  await page.locator('.ledger', { hasText: { empty: 'empty host', two: /2 images/, full: /7 images/ }[name] }).waitFor();
};
const view = (name) => page.locator(`#view-${name}`).click();

async function accessible(what) {
  await page.evaluate(() => document.getAnimations().forEach((a) => a.effect?.getComputedTiming().iterations !== Infinity && a.finish()));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], rules: { region: { enabled: true } } }));
  assert.deepEqual(
    violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(' | ')}`),
    [],
    `accessibility of ${what}`,
  );
}

describe('terminal', () => {
  fresh('what is typed reaches the shell and its answer the screen', async () => {
    await type(page, 'echo one two');
    await sees(page, /\$ echo one two\none two\n/);
  });

  fresh('what is typed before the host answers runs once it does', async () => {
    let release = () => {};
    const held = new Promise((r) => (release = r));
    await page.route('**/host.tar', async (route) => {
      await held;
      await route.continue();
    });
    await page.reload({ waitUntil: 'commit' });
    await page.waitForSelector('.xterm');
    await sees(page, /Linux is starting/);
    await page.keyboard.type('echo early');
    await page.keyboard.press('Enter');
    release();
    await sees(page, /\$ echo early\nearly\n/);
    assert.doesNotMatch(await screen(page), /Linux is starting/);
    // A service worker would have the file already.
  }, { options: { context: { serviceWorkers: 'block' } } });

  fresh('several terminals are apart; closing one shows another', async () => {
    await type(page, 'echo first');
    await page.getByRole('button', { name: 'New terminal' }).click();
    await type(page, 'echo second');
    await sees(page, /second/);
    assert.doesNotMatch(await screen(page), /first/);
    await page.getByRole('tab', { name: 'Terminal 1' }).click();
    await sees(page, /first/);
    await page.getByRole('tab', { name: 'Terminal 1' }).press('ArrowRight');
    await sees(page, /second/);
    await page.getByRole('button', { name: 'Close this terminal' }).click();
    await sees(page, /first/);
    assert.equal(await page.locator('.tlist [role=tab]').count(), 1);
  });

  fresh('a shell that ended says so, and Enter brings a new one', async () => {
    await type(page, 'exit 3');
    await sees(page, /ended with exit code 3/);
    await page.keyboard.press('Enter');
    await sees(page, /^~ \$ ?$/);
  });

  fresh('the pty has the terminal’s size, also after a change', async () => {
    const stty = async (/** @type {string} */ mark) => {
      await type(page, `echo ${mark}`);
      await type(page, 'stty size');
      const answer = new RegExp(`\\n${mark}\\n.*stty size\\n(\\d+) (\\d+)\\n`);
      return answer.exec(await sees(page, answer)).slice(1).map(Number);
    };
    const [rows, cols] = await stty('before');
    assert.ok(rows > 10 && cols > 100, `${rows} × ${cols}`);
    await page.setViewportSize({ width: 800, height: 500 });
    await page.waitForTimeout(300);
    const [rows2, cols2] = await stty('after');
    assert.ok(rows2 < rows && cols2 < cols, `${rows2} × ${cols2}`);
  });

  fresh('output without end is held back, stays responsive and is stopped by Ctrl+C', async () => {
    await type(page, 'yes');
    await sees(page, /yes yes/);
    const lag = await page.evaluate(async () => {
      let worst = 0;
      for (let i = 0; i < 20; i++) {
        const t = performance.now();
        await new Promise((r) => setTimeout(r, 10));
        worst = Math.max(worst, performance.now() - t - 10);
      }
      return worst;
    });
    assert.ok(lag < 250, `the page stood still for ${lag} ms`);
    await page.keyboard.press('Control+c');
    await sees(page, /\^C\n~ \$ $/, 5000);
  });

  fresh('nothing runs while nothing is to do', async () => {
    const runs = async () => Number((await page.evaluate(() => globalThis.bottleship.exec('runs'))).stdout);
    await page.waitForTimeout(500);
    const one = await runs();
    await page.waitForTimeout(1500);
    const two = await runs();
    // The first question itself costs a run or two.
    assert.ok(two - one <= 3, `${two - one} runs while idle`);
  });

  fresh('a paste has no control characters, so that it can’t press keys', async () => {
    await page.locator('.xterm-helper-textarea').focus();
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.setData('text/plain', 'echo a\x1b[201~b\x03\x04c\u009bd');
      document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await page.keyboard.press('Enter');
    await sees(page, /\$ echo a\[201~bcd\na\[201~bcd\n/);
  });

  fresh(
    'Ctrl+Shift+C copies the selection and Ctrl+Shift+V pastes it',
    async () => {
      await type(page, 'echo copied');
      await sees(page, /\ncopied\n/);
      const row = await page.locator('.xterm-rows > div', { hasText: /^copied\s*$/ }).boundingBox();
      await page.mouse.dblclick(row.x + 20, row.y + 8);
      await page.keyboard.press('Control+Shift+C');
      await page.waitForFunction(async () => (await navigator.clipboard.readText()) === 'copied');
      await page.keyboard.type('echo again ');
      await page.keyboard.press('Control+Shift+V');
      await sees(page, /echo again copied$/);
      await page.keyboard.press('Enter');
      await sees(page, /\nagain copied\n/);
    },
    { options: { context: { permissions: ['clipboard-read', 'clipboard-write'] } } },
  );

  fresh('titles are text and only web links are links', async () => {
    await type(page, 'link');
    await sees(page, /a link a trap/);
    assert.equal(await page.locator('.tlist [role=tab]').first().getAttribute('title'), '<img src=x onerror=alert(1)>');
    assert.equal(await page.locator('img').count(), 0);
    const cell = await page.locator('.xterm-rows > div', { hasText: 'a link a trap' }).boundingBox();
    await page.mouse.move(cell.x + 20, cell.y + 8);
    await page.mouse.click(cell.x + 20, cell.y + 8);
    await page.waitForSelector('dialog:has-text("https://example.com/page")');
    await page.keyboard.press('Escape');
    await page.mouse.click(cell.x + 90, cell.y + 8);
    await page.waitForTimeout(200);
    assert.equal(await page.locator('dialog').count(), 0);
  });

  fresh('an error of Docker’s is explained, its command typed but not run', async () => {
    await type(page, 'docker run --name web nginx');
    await page.waitForSelector('.explain:has-text("There is already a container called web.")');
    await page.locator('.explain .run', { hasText: 'docker start web' }).click();
    await sees(page, /\$ docker start web$/);
    assert.equal(await page.locator('.explain').count(), 0);
  });
});

describe('picture', () => {
  fresh('an empty host says what will stand there and offers commands', async () => {
    await page.waitForSelector('.gk');
    await page.getByRole('button', { name: 'docker run hello-world' }).click();
    await sees(page, /\$ docker run hello-world\n/);
    await page.getByRole('button', { name: 'Pull busybox' }).click();
    await sees(page, /docker pull busybox/);
  });

  fresh('shows what the Engine API says, each layer once, as wide as its images', async () => {
    await scenario('two');
    const base = page.getByRole('button', { name: /^Layer.*shared by 2/ });
    assert.equal(await base.count(), 1);
    const wide = (await base.boundingBox()).width;
    const nginx = (await page.getByRole('button', { name: 'Layer install njs modules, 36 MB' }).boundingBox()).width;
    assert.ok(wide > nginx * 1.9, `${wide} against ${nginx}`);
    await page.getByRole('button', { name: /^Container web, running, 8080→80, .*writable layer, 1.1 kB, network bridge/ }).waitFor();
    await page.waitForSelector('.stem');
    assert.match(await page.locator('.ledger').innerText(), /2 images\s*1 container, 1 running[^]*on disk 81\.8 MB/);
  });

  fresh('many columns become rows, or a list where there is no room; the choice is kept', async () => {
    await scenario('full');
    await page.waitForSelector('.rows');
    const alpine = await page.locator('.rs', { hasText: 'alpine:3.20 base' }).boundingBox();
    const shop = await page.locator('.cT', { hasText: 'shop-web:1.1' }).boundingBox();
    assert.ok(alpine.y <= shop.y && alpine.y + alpine.height >= shop.y + shop.height, 'the base stands beside all its images');
    await page.setViewportSize({ width: 700, height: 900 });
    await page.waitForSelector('[role=treegrid]');
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.waitForSelector('.rows');
    await page.getByRole('button', { name: 'Stacks' }).click();
    await page.waitForSelector('.stage .slab');
    await page.reload();
    await page.evaluate(() => globalThis.bottleship.ready);
    await scenario('full');
    await page.waitForSelector('.stage .slab');
  });

  fresh('facts of a container: its state, its commands, its changes', async () => {
    await scenario('two');
    await page.getByRole('button', { name: /^Container web/ }).click();
    const facts = page.getByRole('complementary', { name: 'About web' });
    await facts.getByText('/tmp/new').waitFor();
    await facts.getByRole('button', { name: 'docker logs web' }).click();
    await sees(page, /docker logs web/);
    await facts.getByRole('button', { name: 'Close' }).click();
    assert.equal(await page.locator('.facts').count(), 0);
  });

  fresh('build shows where an image parts from the one before', async () => {
    await scenario('full');
    await view('build');
    const parts = page.locator('.step.parts');
    await parts.waitFor();
    assert.match(await parts.innerText(), /COPY dist/);
  });

  fresh('sizes subtracts what is counted more than once', async () => {
    await scenario('two');
    await view('sizes');
    assert.match(await page.locator('.eq').innerText(), /89\.6 MB[^]*7\.8 MB[^]*81\.8 MB/);
  });

  fresh('keys: F6 goes round, Escape twice leaves the terminal, letters choose views, / finds, ? helps', async () => {
    await scenario('two');
    const inside = (selector) => page.waitForFunction((s) => !!document.activeElement?.closest(s), selector);
    await inside('.term');
    await page.keyboard.press('F6');
    await inside('.top');
    await page.keyboard.press('F6');
    await inside('.picture');
    await page.keyboard.press('F6');
    await inside('.term');
    await page.keyboard.press('Shift+F6');
    await inside('.picture');
    await page.keyboard.press('t');
    await inside('.term');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await inside('.picture');
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    await page.waitForSelector('.sizes');
    await page.keyboard.press('g');
    await page.keyboard.press('h');
    await page.keyboard.press('/');
    await page.keyboard.type('redis');
    await page.waitForSelector('[data-key].found:has-text("redis")');
    await page.keyboard.press('Enter');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog.help');
    await page.keyboard.press('Escape');
    await page.keyboard.press('l');
    await page.waitForSelector('[role=treegrid]');
  });

  fresh('arrows follow the drawing: down is beneath', async () => {
    await scenario('two');
    await page.locator('.ctr').focus();
    const label = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    await page.keyboard.press('ArrowDown');
    assert.match(await label(), /^Image nginx/);
    await page.keyboard.press('ArrowDown');
    assert.match(await label(), /^Layer install njs/);
    await page.keyboard.press('ArrowRight');
    assert.match(await label(), /^Layer build redis/);
  });
});

describe('files', () => {
  fresh('a file is opened, edited, saved and built from', async () => {
    await view('files');
    await page.getByRole('treeitem', { name: /hello/ }).click();
    await page.getByRole('treeitem', { name: /Dockerfile/ }).click();
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('# more');
    assert.match(await page.locator('.ehead').innerText(), /not saved/);
    await page.keyboard.press('Control+s');
    await page.waitForFunction(async () => new TextDecoder().decode(await globalThis.bottleship.fs.readFile('/root/hello/Dockerfile')).endsWith('# more'));
    await page.getByRole('button', { name: /docker build -t hello/ }).click();
    await sees(page, /docker build -t hello \/root\/hello/);
  });

  fresh('Tab leaves the editor, and what is unsaved is asked about', async () => {
    await view('files');
    await page.getByRole('treeitem', { name: /\.profile/ }).click();
    await page.locator('.cm-content').click();
    await page.keyboard.type('x');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => !!document.activeElement.closest('.cm-content')), false);
    await page.getByRole('treeitem', { name: /photo/ }).click();
    await page.waitForSelector('dialog:has-text(".profile is not saved")');
    await page.getByRole('button', { name: 'Stay' }).click();
    await page.getByRole('treeitem', { name: /photo/ }).click();
    await page.getByRole('button', { name: 'Leave it unsaved' }).click();
    await page.waitForSelector('text=It is not a text file.');
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('.ebody .btn').click()]);
    assert.equal(download.suggestedFilename(), 'photo.png');
  });

  fresh('a new file in a new folder', async () => {
    await view('files');
    await page.getByRole('button', { name: 'New file', exact: true }).click();
    await page.locator('dialog input').fill('/root/shop/web/Dockerfile');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.cm-content:has-text("FROM busybox")');
    await page.getByRole('treeitem', { name: 'web', exact: true }).waitFor();
  });

  fresh('a dropped file is copied into the host, an image archive loaded', async () => {
    const drop = async (name, bytes) => {
      const data = await page.evaluateHandle(([n, b]) => {
        const d = new DataTransfer();
        d.items.add(new File([new Uint8Array(b)], n));
        return d;
      }, [name, bytes]);
      for (const kind of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('#main', kind, { dataTransfer: data });
    };
    await drop('notes.txt', [104, 105]);
    // It is not there at once: until then reading fails.
    await page.waitForFunction(() => globalThis.bottleship.fs.readFile('/root/notes.txt').then((bytes) => bytes.length === 2, () => false));
    const header = new Uint8Array(1536);
    header.set(new TextEncoder().encode('manifest.json'), 0);
    header.set(new TextEncoder().encode('00000000002\0'), 124);
    header.set(new TextEncoder().encode('ustar'), 257);
    await drop('image.tar', [...header]);
    await sees(page, /docker load -i \/root\/image\.tar/);
  });

  fresh('an image is saved as a file of this device', async () => {
    await scenario('two');
    await page.getByRole('button', { name: /^Image redis/ }).click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as a file' }).click()]);
    assert.equal(download.suggestedFilename(), 'redis_7-alpine.tar');
  });
});

describe('scripts', () => {
  fresh('output comes as it is made, and layers can be looked into', async () => {
    const seen = await page.evaluate(async () => {
      const { bottleship } = globalThis;
      const pieces = [];
      const result = await bottleship.exec('echo streamed', { onOutput: (text, stream) => pieces.push([stream, text]) });
      const list = await bottleship.tree.list({ layer: 'sha256:1' }, '/');
      const { data, size } = await bottleship.tree.readFile({ image: 'x' }, '/etc/hostname', { max: 2 });
      const error = await bottleship.tree.list({ image: 'x' }, '/nosuch').catch((e) => e.message);
      return { pieces, result, names: list.entries.map((e) => `${e.type} ${e.name}`), text: new TextDecoder().decode(data), size, error };
    });
    assert.deepEqual(seen.pieces, [['stdout', 'streamed\n']]);
    assert.deepEqual([seen.result.exitCode, seen.result.stdout], [0, '']);
    assert.deepEqual(seen.names, ['symlink bin', 'dir etc', 'whiteout old']);
    assert.deepEqual([seen.text, seen.size, seen.error], ['ho', 5, '/nosuch: No such file or directory']);
  });

  test('a page of another site has a host without this page around it', { timeout: 60_000 }, async () => {
    const other = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': `default-src 'none'; script-src 'nonce-x' ${site.url} 'wasm-unsafe-eval'; worker-src blob: ${site.url}; connect-src ${site.url}` }).end(`<!doctype html><script type="module" nonce="x">
      import { start } from '${site.url}/bottleship.js';
      globalThis.host = start();
    </script>`));
    await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
    const own = await browser();
    try {
      const elsewhere = await own.context.newPage();
      await elsewhere.goto(`http://127.0.0.1:${other.address().port}/`);
      await elsewhere.waitForFunction(() => globalThis.host);
      const result = await elsewhere.evaluate(() => globalThis.host.exec('echo elsewhere'));
      assert.deepEqual([result.exitCode, result.stdout], [0, 'elsewhere\n']);
      assert.equal(await elsewhere.locator('.xterm').count(), 0);
      assert.deepEqual(own.wrong.console, []);
    } finally {
      await own.close();
      await new Promise((resolve) => (other.closeAllConnections(), other.close(resolve)));
    }
  });
});

describe('states', () => {
  fresh(
    'a host that stopped says why and starts again',
    async () => {
      await page.evaluate(() => globalThis.bottleship.exec('fail'));
      await page.waitForSelector('[role=alert]:has-text("The Docker host stopped")');
      await page.waitForSelector('.say:has-text("memory access out of bounds")');
      await sees(page, /The host has stopped\. Nothing typed here can run/);
      await page.getByRole('button', { name: 'Start again' }).click();
      await sees(page, /^~ \$ ?$/);
      await type(page, 'echo back');
      await sees(page, /\nback\n/);
    },
    { expectErrors: true },
  );

  fresh('one tab at a time has the host; another takes it when told to', async () => {
    const second = await b.open(site.url, { ready: false });
    await second.waitForSelector('text=open in another tab');
    await second.getByRole('button', { name: 'Use it here' }).click();
    await second.evaluate(() => globalThis.bottleship.ready);
    await page.waitForSelector('text=Another tab has the Docker host now');
    await type(second, 'echo mine');
    await sees(second, /\nmine\n/);
  });

  fresh('emptying asks first', async () => {
    await scenario('two');
    const no = page.evaluate(() => globalThis.bottleship.reset());
    await page.getByRole('button', { name: 'Cancel' }).click();
    assert.equal(await no, false);
    await page.waitForSelector('.slab');
    await page.getByRole('button', { name: 'Empty the host', exact: true }).click();
    await page.getByRole('button', { name: 'Delete everything' }).click();
    await page.waitForSelector('.gk');
  });

  for (const [what, words] of [['WebAssembly', 'WebAssembly is switched off'], ['Worker', 'Workers are switched off']]) {
    fresh(
      `without ${what} the page says what to do`,
      async () => {
        await page.waitForSelector(`[role=alert]:has-text("${words}")`);
      },
      { ready: false, prepare: (context) => context.addInitScript((w) => delete globalThis[w], what) },
    );
  }

  fresh(
    'without IndexedDB it runs and says that nothing is kept',
    async () => {
      await page.waitForSelector('.banner:has-text("Nothing is kept")');
      await type(page, 'echo still');
      await sees(page, /\nstill\n/);
    },
    { prepare: (context) => context.addInitScript(() => Object.defineProperty(globalThis, 'indexedDB', { value: undefined })) },
  );

  fresh(
    'a root file system that is not there is said so',
    async () => {
      await page.waitForSelector('.say:has-text("root file system could not be fetched: 404")');
    },
    { ready: false, expectErrors: true, prepare: (context) => context.route('**/host.tar', (route) => route.fulfill({ status: 404, body: '' })) },
  );

  fresh('after one visit it starts without a network', async () => {
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForFunction(async () => (await caches.keys()).some((k) => k.startsWith('page-')) && navigator.serviceWorker.controller);
    await site.close();
    try {
      await page.reload();
      await page.evaluate(() => globalThis.bottleship.ready);
      await type(page, 'echo offline');
      await sees(page, /\noffline\n/);
      await view('files');
      await page.getByRole('treeitem', { name: /\.profile/ }).click();
      await page.waitForSelector('.cm-content');
    } finally {
      site = await doubleSite();
    }
    b.wrong.console = b.wrong.console.filter((m) => !/_catalog|ERR_CONNECTION|sw\.js/.test(m));
  });
});

describe('accessibility', () => {
  for (const colorScheme of ['light', 'dark']) {
    fresh(
      `every view, ${colorScheme}`,
      async () => {
        await sees(page, /\$ ?$/);
        await accessible('the empty host');
        await scenario('two');
        await accessible('stacks');
        await page.locator('.ctr').click();
        await accessible('facts');
        await scenario('full');
        await accessible('rows');
        await page.getByRole('button', { name: 'List' }).click();
        await accessible('the list');
        for (const v of ['build', 'sizes', 'files']) {
          await view(v);
          await page.waitForTimeout(100);
          await accessible(v);
        }
        await page.getByRole('treeitem', { name: /\.profile/ }).click();
        await page.waitForSelector('.cm-content');
        await accessible('the editor');
        await page.locator('.logo').focus();
        await page.keyboard.press('?');
        await page.waitForSelector('dialog');
        await accessible('help');
      },
      { options: { context: { colorScheme } } },
    );
  }

  fresh(
    'a phone',
    async () => {
      await accessible('the empty host');
      await scenario('two');
      await accessible('work');
      await page.getByRole('navigation', { name: 'Views' }).getByRole('button', { name: 'Files' }).click();
      await accessible('files');
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 390, `${wide} px wide`);
    },
    { options: { context: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } } },
  );

  fresh('the terminal speaks when it is told to', async () => {
    await page.locator('.logo').focus();
    await page.keyboard.press('?');
    await page.getByRole('checkbox', { name: /Screen reader/ }).check();
    await page.keyboard.press('Escape');
    await page.waitForSelector('.xterm-accessibility [role=list]');
    await type(page, 'echo heard');
    await page.waitForSelector('.xterm-accessibility-tree:has-text("heard")');
    await page.keyboard.press('Control+Shift+ArrowUp');
    await page.waitForFunction(() => /heard/.test(document.querySelector('#polite').textContent));
  });

  fresh(
    'with reduced motion nothing moves',
    async () => {
      await scenario('two');
      await scenario('full');
      const moving = await page.evaluate(() => document.getAnimations().filter((a) => a.playState === 'running').length);
      assert.equal(moving, 0);
    },
    { options: { context: { reducedMotion: 'reduce' } } },
  );
});
