// The recipes of static/embed/README.md, as they stand there: a book by mdBook, a site by Docusaurus, oEmbed. The two tools
// are heavy; without them their tests are skipped: MDBOOK names mdBook's program, DOCUSAURUS a directory whose node_modules
// has @docusaurus/core and @docusaurus/preset-classic.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { browser, realSite, root } from './support.mjs';

const LONG = { timeout: 600_000 };
const README = readFileSync(join(root, 'static/embed/README.md'), 'utf8');
const dir = mkdtempSync(join(tmpdir(), 'bottleship-recipes-'));
const run = promisify(execFile);
let site;
let b;

before(async () => {
  site = await realSite();
  b = await browser({ context: { serviceWorkers: 'block' } });
});
after(async () => {
  await b?.close();
  await site?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Writes the files that a section of the page shows. @param {string} section @param {string} into */
function recipe(section, into) {
  const text = README.split(`\n## ${section}\n`)[1].split('\n## ')[0];
  const files = [...text.matchAll(/^```\w+ file=(\S+)\n([^]*?)^```$/gm)];
  assert.ok(files.length >= 2, `the recipe for ${section}`);
  for (const [, path, content] of files) {
    mkdirSync(dirname(join(into, path)), { recursive: true });
    writeFileSync(join(into, path), content.replaceAll('https://labs.example.org', site.url));
  }
}

/**
 * Opens a page of a directory of files, served as a site of its own.
 * @param {string} files @param {string} page @param {(tab: import('playwright-core').Page) => Promise<void>} f
 */
async function opened(files, page, f) {
  const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
  const server = createServer((request, response) => {
    let path = join(files, decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    if (path.endsWith('/')) path += 'index.html';
    if (!path.startsWith(files) || !existsSync(path)) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream' }).end(readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const tab = await b.context.newPage();
  try {
    await tab.goto(`http://localhost:${server.address().port}${page}`);
    await f(tab);
  } finally {
    await tab.close();
    server.closeAllConnections();
    server.close();
  }
}

/** Runs a command in the lab on a page. @param {string} files @param {string} page */
const labRuns = (files, page) =>
  opened(files, page, async (tab) => {
    await tab.locator('bottleship-lab').scrollIntoViewIfNeeded();
    const { stdout } = await tab.evaluate(async () => (await customElements.whenDefined('bottleship-lab'), document.querySelector('bottleship-lab').exec('docker run --rm busybox echo in the book')));
    assert.match(stdout, /in the book\n$/);
    await tab.frameLocator('bottleship-lab iframe').locator('.strip .grow').waitFor({ timeout: 60_000 });
  });

test('a book by mdBook has a lab that runs', LONG, async (t) => {
  const mdbook = process.env.MDBOOK ?? 'mdbook';
  if (spawnSync(mdbook, ['--version']).status !== 0) return t.skip('skipped: there is no mdbook');
  const book = join(dir, 'book');
  recipe('mdBook', book);
  writeFileSync(join(book, 'book.toml'), '[book]\ntitle = "A book"\n');
  writeFileSync(join(book, 'src/SUMMARY.md'), '# Summary\n\n- [A lab](lab.md)\n');
  await run(mdbook, ['build', book]);
  await labRuns(join(book, 'book'), '/lab.html');
});

test('a site by Docusaurus has a lab that runs', LONG, async (t) => {
  const tools = process.env.DOCUSAURUS;
  if (!tools || !existsSync(join(tools, 'node_modules/@docusaurus/core'))) return t.skip('skipped: DOCUSAURUS names no directory with Docusaurus');
  // Below the tool, which takes the modules of no other place.
  const docs = mkdtempSync(join(tools, 'recipe-'));
  t.after(() => rmSync(docs, { recursive: true, force: true }));
  recipe('Docusaurus', docs);
  writeFileSync(join(docs, 'package.json'), '{ "name": "docs", "private": true }\n');
  await run('node', [join(tools, 'node_modules/@docusaurus/core/bin/docusaurus.mjs'), 'build', docs, '--no-minify'], { cwd: docs, env: { ...process.env, NO_UPDATE_NOTIFIER: '1', DOCUSAURUS_NO_TELEMETRY: '1' }, maxBuffer: 1 << 26 });
  await labRuns(join(docs, 'build'), '/');
});

test('a link to a lesson leads to a frame with it', LONG, async (t) => {
  const page = await fetch(`${site.url}/?lesson=run`);
  const link = /<([^>]+)>; rel="alternate"; type="application\/json\+oembed"/.exec(page.headers.get('link') ?? '');
  if (!link) return t.skip('skipped: the site is on a plain static host');
  const { type, html, width, height } = await (await fetch(link[1])).json();
  assert.equal(type, 'rich');
  const blog = join(dir, 'blog');
  mkdirSync(blog);
  writeFileSync(join(blog, 'index.html'), `<!doctype html><title>A blog</title>${html}`);
  await opened(blog, '/', async (tab) => {
    const box = await tab.locator('iframe').boundingBox();
    assert.deepEqual([box.width, box.height], [width, height]);
    await tab.frameLocator('iframe').locator('.strip .grow').waitFor({ timeout: 60_000 });
  });
});
