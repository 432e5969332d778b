// What the browser tests share: the site, a server for it, Chromium.
import { execFile, spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createRequire } from 'node:module';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const require = createRequire(join(root, 'web/package.json'));
const { chromium } = require('playwright-core');
export const axePath = require.resolve('axe-core/axe.min.js');
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.json': 'application/json', '.webmanifest': 'application/manifest+json', '.tar': 'application/x-tar' };
/** The headers of the real server (server/src/site.rs). */
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; frame-src 'self' http://*.localhost:*; base-uri 'none'; form-action 'none'; object-src 'none'; require-trusted-types-for 'script'";

/** Serves a directory. @param {string} dir */
export function serveDir(dir) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    const file = join(dir, path.endsWith('/') ? `${path}index.html` : path);
    if (!file.startsWith(dir) || !existsSync(file) || statSync(file).isDirectory()) {
      response.writeHead(404).end('not found');
      return;
    }
    response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Length': statSync(file).size, 'Content-Security-Policy': CSP, 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin', 'X-Content-Type-Options': 'nosniff', 'Cache-Control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache' });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ url: `http://127.0.0.1:${server.address().port}`, close: () => new Promise((done) => (server.closeAllConnections(), server.close(done))) })));
}

/** The page around the double of the engine. */
export async function doubleSite() {
  const out = join(target, 'site-double');
  await promisify(execFile)('node', [join(root, 'web/build.mjs'), '--wasm', join(root, 'tests/e2e/double'), '--out', out]);
  writeFileSync(join(out, 'host.tar'), new Uint8Array(1024));
  mkdirSync(join(out, 'v2'), { recursive: true });
  writeFileSync(join(out, 'v2/_catalog'), JSON.stringify({ repositories: ['library/hello-world', 'library/busybox', 'library/nginx', 'library/redis', 'library/python'] }));
  return serveDir(out);
}

/** The server's program, if it is built. */
export const bottleship = () => process.env.BOTTLESHIP ?? [join(target, 'release/bottleship'), join(target, 'debug/bottleship')].find(existsSync);
/** The built site's directory. */
export const sitePath = () => process.env.BOTTLESHIP_SITE ?? join(target, 'site');

/** The real site: BOTTLESHIP_SITE_URL, or the server's program on target/site. */
export async function realSite() {
  if (process.env.BOTTLESHIP_SITE_URL) return { url: process.env.BOTTLESHIP_SITE_URL.replace(/\/$/, ''), close: async () => {} };
  const program = bottleship();
  const site = sitePath();
  if (!existsSync(join(site, 'index.html'))) throw new Error(`${site} is not built: cargo xtask build`);
  if (!program) return serveDir(site);
  const data = mkdtempSync(join(tmpdir(), 'bottleship-data-'));
  const child = spawn(program, ['serve', '--addr', '127.0.0.1:0', '--site', site, '--data', data], { stdio: ['ignore', 'pipe', 'inherit'] });
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

/** Ends what moves or fades, so that a look at colours sees the last ones. @param {import('playwright-core').Page} page */
export const settle = (page) =>
  page.evaluate(async () => {
    await new Promise(requestAnimationFrame);
    for (const moving of document.getAnimations()) if (moving.effect?.getComputedTiming().iterations !== Infinity) moving.finish();
  });

/** The browser's processes of a profile, which is in the command line of each. @param {string} profile */
function processesOf(profile) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return args.some((arg) => arg === `--user-data-dir=${profile}`);
      } catch {
        return false; // It has ended meanwhile.
      }
    })
    .map(Number);
}

/**
 * Chromium with a fresh profile, or that of one that was killed; everything that goes wrong on its pages is written down.
 * @param {{ args?: string[], context?: object, profile?: string }} [options]
 */
export async function browser({ args = [], context: extra = {}, profile = mkdtempSync(join(tmpdir(), 'bottleship-chromium-')) } = {}) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', ...args],
    viewport: { width: 1440, height: 900 },
    colorScheme: 'light',
    ...extra,
  });
  /** @type {{ console: string[], foreign: string[], csp: string[] }} */
  const wrong = { console: [], foreign: [], csp: [] };
  const watch = (page) => {
    page.on('console', (m) => {
      if (m.type() === 'error' || /Content Security Policy|Trusted/.test(m.text())) wrong.console.push(m.text());
    });
    page.on('pageerror', (e) => wrong.console.push(String(e)));
  };
  await context.addInitScript(() => {
    globalThis.cspViolations = [];
    addEventListener('securitypolicyviolation', (e) => globalThis.cspViolations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  let origin = '';
  context.on('request', (r) => {
    const url = new URL(r.url());
    if (/^https?:$/.test(url.protocol) && origin && url.origin !== origin) wrong.foreign.push(r.url());
  });
  context.pages().forEach(watch);
  context.on('page', watch);
  return {
    context,
    profile,
    wrong,
    /** @param {string} url @param {{ ready?: boolean }} [options] */
    async open(url, { ready = true } = {}) {
      origin = new URL(url).origin;
      const page = context.pages().length === 1 && context.pages()[0].url() === 'about:blank' ? context.pages()[0] : await context.newPage();
      await page.goto(url);
      if (ready) await page.evaluate(() => globalThis.bottleship.ready);
      return page;
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
    /** SIGKILL to the whole browser, as when the machine runs out of memory; its profile stays. */
    async kill() {
      const closed = new Promise((resolve) => context.once('close', resolve));
      for (let pids = processesOf(profile); pids.length; pids = processesOf(profile)) {
        for (const pid of pids) {
          try {
            process.kill(pid, 'SIGKILL');
          } catch {
            // It went with its parent.
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await closed;
    },
  };
}

/** Everything in the terminal in front. @param {import('playwright-core').Page} page */
export const screen = (page) => page.evaluate(() => globalThis.bottleship.terminal.text());

/**
 * Waits until the terminal shows a pattern.
 * @param {import('playwright-core').Page} page @param {RegExp} pattern @param {number} [ms]
 */
export async function sees(page, pattern, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const text = await screen(page);
    if (pattern.test(text)) return text;
    if (Date.now() > end) throw new Error(`the terminal never showed ${pattern}; it shows:\n${text}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** Types a line into the terminal. @param {import('playwright-core').Page} page @param {string} line */
export async function type(page, line) {
  await page.locator('.xbody:not([hidden]) .xterm-helper-textarea').focus();
  await page.keyboard.type(line);
  await page.keyboard.press('Enter');
}
