// Sessions on the server's kernel: the same page opens one, builds and runs in it, comes back after its connection was
// cut, and takes along what the tab has, and back. As root, where an OCI runtime is installed.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, root, screen, sees, type } from './support.mjs';

const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
const program = process.env.BOTTLESHIP ?? [join(target, 'release/bottleship'), join(target, 'debug/bottleship')].find(existsSync);
const site = process.env.BOTTLESHIP_SITE ?? join(target, 'site');
/** How long a session's answer may take on a busy machine, in ms. */
const PATIENCE = 60_000;
process.env.PATH += ':/usr/sbin:/sbin';

/** @param {string} name */
function version(name) {
  try {
    return /^\S+ version (\S+)/.exec(execFileSync(name, ['--version'], { encoding: 'utf8' }))?.[1];
  } catch {
    return undefined;
  }
}
const runtime = ['crun', 'runc'].find(version);
const lacking = () => {
  if (process.getuid?.() !== 0) return 'hosted sessions need root';
  if (!runtime) return 'neither crun nor runc is installed';
  for (const tool of ['ip', 'mkfs.ext4', 'unshare']) {
    try {
      execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    } catch {
      return `${tool} is not installed`;
    }
  }
  return false;
};
const skip = lacking();
if (skip) console.log(`skipped: ${skip}`);

/** A server with sessions. @param {string} settings further lines of its configuration's [server] and [session] */
async function hosted({ server = '', session = '' } = {}) {
  const data = mkdtempSync(join(tmpdir(), 'bottleship-hosted-'));
  chmodSync(data, 0o711); // a session's root walks through it
  const config = join(data, 'hosted.toml');
  writeFileSync(config, `runtime = "${runtime}"\nallow_runtime = "${runtime} ${version(/** @type {string} */ (runtime))}"\n[server]\nmemory_reserve = 0\ndisk_reserve = 0\nimages = ["busybox"]\ndrain = 1\n${server}\n[session]\ndisk = 268435456\n${session}\n[access]\nsessions_per_address = 9\nstarts_per_minute = 99\n`);
  const child = spawn(/** @type {string} */ (program), ['serve', '--hosted', '--config', config, '--addr', '127.0.0.1:0', '--site', site, '--data', join(data, 'd')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (d) => {
      text += d;
      const m = /listening on (http:\/\/\S+)/.exec(text);
      if (m) resolve(m[1].replace(/\/$/, ''));
    });
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}: ${text}`)));
  });
  return {
    url,
    close: () => new Promise((resolve) => {
      child.on('exit', () => {
        rmSync(data, { recursive: true, force: true });
        resolve(undefined);
      });
      child.kill();
    }),
  };
}

/** A network between the browser and the server that can be cut. @param {string} url */
async function cable(url) {
  const { hostname, port } = new URL(url);
  const ends = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [a, b] of [[near, far], [far, near]]) {
      ends.add(a);
      a.on('error', () => b.destroy());
      a.on('close', () => (ends.delete(a), b.destroy()));
      a.pipe(b);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  return {
    url: `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`,
    cut: () => ends.forEach((end) => end.destroy()),
    close: () => {
      ends.forEach((end) => end.destroy());
      return new Promise((resolve) => server.close(() => resolve(undefined)));
    },
  };
}

/** @param {import('playwright-core').Page} page */
const ready = (page) => page.waitForFunction(() => document.documentElement.dataset.host === 'ready', null, { timeout: PATIENCE });

/** @type {Awaited<ReturnType<typeof hosted>>} */
let server;
/** @type {Awaited<ReturnType<typeof cable>>} */
let line;
/** @type {Awaited<ReturnType<typeof browser>>} */
let chromium;
before(async () => {
  if (skip) return;
  server = await hosted({ server: 'sessions = 2\nwarm = 1' });
  line = await cable(server.url);
  chromium = await browser();
});
after(async () => {
  await chromium?.close();
  await line?.close();
  await server?.close();
});

test('a session builds, runs, publishes, is cut off and comes back', { skip, timeout: 300_000 }, async () => {
  const page = await chromium.open(`${line.url}/#hosted`, { ready: false });
  await ready(page);
  await page.locator('#where').getByText(/left/).waitFor();
  await sees(page, /[$#] $/, PATIENCE);
  await type(page, 'docker run --rm busybox echo from-real-linux; uname -r');
  await sees(page, /\nfrom-real-linux\n[\d.]+/, PATIENCE);
  await type(page, `mkdir -p /root/app && cd /root/app && printf 'FROM busybox\\nRUN mkdir /w && echo built-here > /w/index.html\\nCMD ["httpd","-f","-p","80","-h","/w"]\\n' > Dockerfile && docker build -t mine . && docker run -d --name web -p 8080:80 mine && echo it-''runs`);
  await sees(page, /\nit-runs/, PATIENCE);
  // The picture lives on the session's Engine API.
  await page.locator('#picture').getByText('web', { exact: true }).first().waitFor({ timeout: PATIENCE });
  await page.getByRole('tab', { name: 'Preview' }).click();
  await page.frameLocator('.preview iframe').getByText('built-here').waitFor({ timeout: PATIENCE });
  // What is served can't reach this page.
  const frame = page.frames().find((f) => f.url().includes('/preview/'));
  assert.equal(await frame?.evaluate(() => globalThis.origin), 'null');
  // A second terminal of the same host.
  await page.getByRole('button', { name: 'New terminal' }).click();
  await sees(page, /[$#] $/, PATIENCE);
  await type(page, 'docker ps --format "{{.Names}} here"');
  await sees(page, /\nweb here/, PATIENCE);
  line.cut();
  await type(page, "echo typed-''while-away");
  await sees(page, /\ntyped-while-away/, PATIENCE);
  assert.match(await screen(page), /web here/, 'the screen is there again');
  // A reload comes back to the same session and the same screen.
  await page.reload();
  await ready(page);
  await sees(page, /it-runs/, PATIENCE);
  const list = await page.evaluate(() => globalThis.bottleship.fs.list('/root/app'));
  assert.deepEqual(list.map((e) => [e.name, e.type]), [['Dockerfile', 'file']]);
  await page.evaluate(() => globalThis.bottleship.fs.writeFile('/root/app/it’s', 'data'));
  const said = await page.evaluate(() => globalThis.bottleship.exec('cat "/root/app/it’s"; echo wrong >&2; exit 3'));
  assert.deepEqual([said.stdout, said.stderr, said.exitCode], ['data', 'wrong\n', 3]);
  // The end says why, and a new session can be had.
  await page.evaluate(() => fetch(`/api/sessions/${sessionStorage.getItem('bottleship:hosted')}`, { method: 'DELETE' }));
  await page.locator('#picture').getByText(/ended by its visitor/).waitFor({ timeout: PATIENCE });
  await page.getByRole('button', { name: 'Start again' }).click();
  await ready(page);
  await page.evaluate(() => fetch(`/api/sessions/${sessionStorage.getItem('bottleship:hosted')}`, { method: 'DELETE' }));
  await page.close();
});

test('who comes when all sessions are in use sees a place in the queue', { skip, timeout: 200_000 }, async () => {
  const open = async () => (await fetch(`${server.url}/api/sessions`, { method: 'POST' })).json();
  const taken = [await open(), await open()];
  const page = await chromium.context.newPage();
  await page.goto(`${server.url}/#hosted`);
  await page.getByText('you are number 1 of 1').waitFor({ timeout: PATIENCE });
  for (const { id } of taken) await fetch(`${server.url}/api/sessions/${id}`, { method: 'DELETE' });
  await ready(page);
  await page.evaluate(() => fetch(`/api/sessions/${sessionStorage.getItem('bottleship:hosted')}`, { method: 'DELETE' }));
  await page.close();
});

test('images, files and commands move from the tab onto real Linux and back', { skip, timeout: 300_000 }, async () => {
  const page = await chromium.context.newPage();
  await page.goto(line.url);
  await ready(page);
  await sees(page, /[$#] $/, PATIENCE);
  await type(page, `echo from-the-tab > /root/note; printf 'FROM busybox\\nCOPY note /\\nCMD ["cat","/note"]\\n' > Dockerfile; docker build -t moved . && echo all-''there`);
  await sees(page, /\nall-there/, PATIENCE);
  const id = await page.evaluate(async () => (await globalThis.bottleship.exec('docker image inspect -f {{.Id}} moved')).stdout);
  await page.getByRole('button', { name: 'Real Linux' }).click();
  await page.getByRole('button', { name: 'Continue on real Linux' }).click();
  await page.locator('#where').getByText(/left/).waitFor({ timeout: PATIENCE });
  await ready(page);
  /** @param {string} command @param {string} answer */
  const becomes = async (command, answer) => {
    const end = Date.now() + PATIENCE;
    for (let said = ''; (said = await here(command)) !== answer; await new Promise((r) => setTimeout(r, 300))) assert.ok(Date.now() < end, `${command}: ${said}`);
  };
  const here = (/** @type {string} */ command) => page.evaluate(async (line) => (await globalThis.bottleship.exec(line)).stdout, command);
  await becomes('docker run --rm moved', 'from-the-tab\n');
  assert.equal(await here('docker image inspect -f {{.Id}} moved'), id, 'the same image, by its id');
  await becomes('cat /root/note', 'from-the-tab\n');
  await becomes('grep -c "docker build -t moved" /root/commands.txt', '1\n');
  await here('echo from-the-server > /root/note');
  await page.getByRole('button', { name: 'Back to the tab' }).click();
  await page.getByRole('button', { name: 'Go back' }).click();
  await page.locator('#where').getByText('Runs in this tab').waitFor({ timeout: PATIENCE });
  await ready(page);
  await becomes('cat /root/note', 'from-the-server\n');
  assert.equal(await here('docker run --rm moved'), 'from-the-tab\n');
  await page.close();
});
