// Builds the site's page: bundles web/js, copies static/, names files by content, writes the service worker's list.
// usage: node web/build.mjs [--wasm DIR] [--host FILE] [--out DIR] [--minify=false]
//   --wasm  holds wasm-bindgen's output: bottleship_web.js and bottleship_web_bg.wasm of the engine, and the same of
//           bottleship_web_lesson (default target/wasm)
//   --host  the host's root file system, a tar; without it the page asks for the site's host.tar as it is
//   --out   the site (default target/site)
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { toAbsolute } from './js/branches.js';

const web = dirname(fileURLToPath(import.meta.url));
const root = dirname(web);
const { values } = parseArgs({
  options: {
    wasm: { type: 'string', default: join(root, 'target/wasm') },
    host: { type: 'string' },
    out: { type: 'string', default: join(root, 'target/site') },
    minify: { type: 'string', default: 'true' },
  },
});
const wasmDir = resolve(values.wasm);
const out = resolve(values.out);
const glue = join(wasmDir, 'bottleship_web.js');
const wasm = join(wasmDir, 'bottleship_web_bg.wasm');
if (!existsSync(glue)) {
  console.error(`build: ${glue} is missing; build package bottleship-web for wasm32-unknown-unknown and run wasm-bindgen first (cargo xtask build does both)`);
  process.exit(1);
}

/** @param {Uint8Array | string} bytes */
const digest = (bytes) => createHash('sha256').update(bytes).digest('base64url').slice(0, 10);

mkdirSync(out, { recursive: true });
rmSync(join(out, 'assets'), { recursive: true, force: true });
mkdirSync(join(out, 'assets'));
// Compressed copies of what is written anew would be served in its place.
for (const name of readdirSync(out)) if (/\.(br|gz)$/.test(name) && !name.startsWith('host.tar')) rmSync(join(out, name));

/** Copies a module under a name that says its content; nothing for one that is not there. @param {string} from @param {string} as */
const named = (from, as) => {
  if (!existsSync(from)) return '';
  const name = `assets/${as}-${digest(readFileSync(from))}.wasm`;
  cpSync(from, join(out, name));
  return name;
};
const wasmName = named(wasm, 'bottleship');
const lessonWasmName = named(join(wasmDir, 'bottleship_web_lesson_bg.wasm'), 'lesson');
let hostName = '';
if (values.host) {
  const bytes = new Uint8Array(readFileSync(values.host));
  toAbsolute(bytes);
  hostName = `assets/host-${digest(bytes)}.tar`;
  writeFileSync(join(out, hostName), bytes);
}
/** An asset's address from the worker, which lies beside it. @param {string} name */
const beside = (name) => JSON.stringify(name.replace('assets/', './'));

/** @type {esbuild.BuildOptions} */
const common = {
  absWorkingDir: web,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: values.minify !== 'false',
  legalComments: 'none',
  metafile: true,
  outdir: out,
  outbase: join(web, 'js'),
  entryNames: 'assets/[name]-[hash]',
  chunkNames: 'assets/[name]-[hash]',
  assetNames: 'assets/[name]-[hash]',
  nodePaths: [join(web, 'node_modules')],
  logLevel: 'warning',
};
/** The output of an entry point. @param {esbuild.Metafile} meta @param {string} entry */
const outputOf = (meta, entry) => {
  const found = Object.entries(meta.outputs).find(([, o]) => o.entryPoint && resolve(web, o.entryPoint) === resolve(web, entry));
  if (!found) throw new Error(`no output for ${entry}`);
  return relative(out, resolve(web, found[0])).replaceAll('\\', '/');
};

const lessonGlue = join(wasmDir, 'bottleship_web_lesson.js');
const worker = await esbuild.build({
  ...common,
  splitting: true,
  entryPoints: ['js/worker.js'],
  alias: { 'bottleship-wasm': glue, 'bottleship-lesson-wasm': lessonGlue },
  define: {
    BOTTLESHIP_WASM: beside(wasmName),
    BOTTLESHIP_WASM_SIZE: String(wasmName ? statSync(wasm).size : 0),
    BOTTLESHIP_LESSON_WASM: beside(lessonWasmName),
    BOTTLESHIP_HOST: beside(hostName),
  },
});
const workerName = outputOf(worker.metafile, 'js/worker.js');

const page = await esbuild.build({
  ...common,
  splitting: true,
  entryPoints: ['js/main.js', 'js/start.js', 'js/class.js', '../static/app.css'],
  alias: { 'bottleship-lesson-wasm': lessonGlue },
  define: { BOTTLESHIP_LESSON_WASM: beside(lessonWasmName), BOTTLESHIP_WORKER: JSON.stringify(`./${workerName}`) },
});
const mainName = outputOf(page.metafile, 'js/main.js');
const startName = outputOf(page.metafile, 'js/start.js');
const classScript = outputOf(page.metafile, 'js/class.js');
const cssName = outputOf(page.metafile, '../static/app.css');

// For other pages: one file, at an address that stays.
const headless = await esbuild.build({
  ...common,
  entryPoints: { bottleship: 'js/headless.js' },
  entryNames: '[name]',
  define: { BOTTLESHIP_WORKER: JSON.stringify(`./${workerName}`) },
});

// What the first paint needs beside main: its static imports.
const statics = [];
const queue = [mainName];
while (queue.length) {
  const key = Object.keys(page.metafile.outputs).find((k) => relative(out, resolve(web, k)) === queue[0]);
  queue.shift();
  for (const i of page.metafile.outputs[key ?? ''].imports) {
    const name = relative(out, resolve(web, i.path)).replaceAll('\\', '/');
    if (i.kind === 'import-statement' && !statics.includes(name)) {
      statics.push(name);
      queue.push(name);
    }
  }
}

// static/ as it is, except the templates.
const bundled = new Set(['index.html', 'class.html', 'app.css', 'guide.css', 'picture.css', 'tokens.css', 'ui.css']);
const copied = [];
/** @param {string} dir */
const copy = (dir) => {
  for (const name of readdirSync(join(root, 'static', dir))) {
    const path = join(dir, name);
    if (statSync(join(root, 'static', path)).isDirectory()) {
      if (path !== 'images') copy(path);
    } else if (!bundled.has(path)) {
      mkdirSync(join(out, dir), { recursive: true });
      cpSync(join(root, 'static', path), join(out, path));
      copied.push(path.replaceAll('\\', '/'));
    }
  }
};
copy('');

// What there is to learn, as its own parser reads it: the lessons in their order, and the drills by bank.
const learning = await import(pathToFileURL(lessonGlue).href);
if (lessonWasmName) learning.initSync({ module: readFileSync(join(out, lessonWasmName)) });
/** @param {string} file @param {(source: string) => string} with_ */
const heading = (file, with_) => {
  try {
    return JSON.parse(with_(readFileSync(join(root, 'static', file), 'utf8')));
  } catch (error) {
    throw new Error(`static/${file}: ${/** @type {Error} */ (error).message}`);
  }
};
const files = (/** @type {RegExp} */ pattern) => copied.filter((path) => pattern.test(path)).sort();
const lessons = files(/^lessons\/[^/]+\/\d+-[a-z\d-]+\.md$/).map((path) => {
  const [, course, name] = /** @type {RegExpExecArray} */ (/^lessons\/([^/]+)\/\d+-([a-z\d-]+)\.md$/.exec(path));
  return { name, path: `./${path}`, course, ...heading(path, learning.lessonHeading) };
});
const drills = files(/^drills\/[^/]+\.yaml$/).map((path) => ({ path: `./${path}`, ...heading(path, learning.bankContents) }));
for (const [dir, index] of /** @type {const} */ ([['lessons', lessons], ['drills', drills]])) {
  mkdirSync(join(out, dir), { recursive: true });
  writeFileSync(join(out, dir, 'index.json'), JSON.stringify(index));
}

// For a static host that knows its address: of each lesson a page to share, and what oEmbed (https://oembed.com) makes of it.
rmSync(join(out, 'share'), { recursive: true, force: true });
if (process.env.BOTTLESHIP_URL) {
  const site = new URL(process.env.BOTTLESHIP_URL);
  if (!site.pathname.endsWith('/')) throw new Error(`BOTTLESHIP_URL must end in /, and is ${site}`);
  const text = (/** @type {string} */ t) => t.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  mkdirSync(join(out, 'share'));
  for (const { name, title, summary } of lessons) {
    const [page, lab] = [new URL(`?lesson=${name}`, site).href, new URL(`?lesson=${name}&embed`, site).href];
    const [width, height] = [800, 520];
    const html = `<iframe src="${text(lab)}" width="${width}" height="${height}" title="${text(title)}" style="border:0" allow="clipboard-write" loading="lazy"></iframe>`;
    writeFileSync(join(out, `share/${name}.json`), JSON.stringify({ version: '1.0', type: 'rich', title, provider_name: 'Bottleship', provider_url: site.href, html, width, height }));
    const head = [
      '<meta charset="utf-8">',
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'">`,
      `<title>${text(title)} · Bottleship</title>`,
      `<meta name="description" content="${text(summary)}">`,
      `<meta property="og:title" content="${text(title)}">`,
      `<meta property="og:description" content="${text(summary)}">`,
      `<link rel="canonical" href="${text(page)}">`,
      `<link rel="alternate" type="application/json+oembed" href="${text(new URL(`share/${name}.json`, site).href)}" title="${text(title)}">`,
      `<meta http-equiv="refresh" content="0; url=../?lesson=${name}">`,
    ];
    writeFileSync(join(out, `share/${name}.html`), `<!doctype html>\n<html lang="en">\n<head>\n${head.join('\n')}\n</head>\n<body><p><a href="../?lesson=${name}">${text(title)}</a></p></body>\n</html>\n`);
  }
}

const preload = [
  // Runs as soon as it is there, whatever else is still on its way.
  `<script type="module" async src="./${startName}"></script>`,
  `<link rel="stylesheet" href="./${cssName}">`,
  // The worker first: what it fetches is what is waited for.
  `<link rel="modulepreload" href="./${workerName}">`,
  `<link rel="modulepreload" href="./${mainName}">`,
  ...statics.map((s) => `<link rel="modulepreload" href="./${s}">`),
].join('\n');
const html = readFileSync(join(root, 'static/index.html'), 'utf8')
  .replace('<!-- build:head -->', () => preload)
  .replace('<!-- build:main -->', () => `<script type="module" src="./${mainName}"></script>`);
writeFileSync(join(out, 'index.html'), html);
const classHtml = readFileSync(join(root, 'static/class.html'), 'utf8')
  .replace('<!-- build:head -->', () => `<link rel="stylesheet" href="./${cssName}">`)
  .replace('<!-- build:main -->', () => `<script type="module" src="./${classScript}"></script>`);
writeFileSync(join(out, 'class.html'), classHtml);
// A server that has origins for previews answers this itself.
writeFileSync(join(out, 'previews.json'), '{}\n');
// A server with hosted sessions says here how many there are.
writeFileSync(join(out, 'hosted.json'), 'null\n');

const built = [worker, page, headless].flatMap((result) => Object.keys(result.metafile.outputs)).map((k) => relative(out, resolve(web, k)).replaceAll('\\', '/'));
// What the page needs, and what there is to learn.
const precache = [...new Set([...built, ...copied.filter((c) => /^(icons\/|manifest|drills\/|lessons\/.*\/)/.test(c)), ...[wasmName, lessonWasmName, hostName].filter(Boolean), 'lessons/index.json', 'drills/index.json', 'index.html', 'class.html', 'theme.js'])].sort();
const list = precache.map((path) => ({ path, hash: digest(readFileSync(join(out, path))) }));
const version = digest(JSON.stringify(list));
const sw = await esbuild.build({
  ...common,
  metafile: false,
  write: false,
  entryPoints: ['js/sw.js'],
  format: 'iife',
  define: { BOTTLESHIP_VERSION: JSON.stringify(version), BOTTLESHIP_PRECACHE: JSON.stringify(list.map((l) => l.path)), BOTTLESHIP_HOST: beside(hostName) },
});
writeFileSync(join(out, 'sw.js'), sw.outputFiles[0].contents);

// The script of <bottleship-lab>, under a name that other sites' pages can hold on to.
const embed = await esbuild.build({ ...common, metafile: false, write: false, entryPoints: ['js/embed.js'], format: 'iife' });
writeFileSync(join(out, 'embed.js'), embed.outputFiles[0].contents);

const kb = (/** @type {string} */ n) => `${(statSync(join(out, n)).size / 1000).toFixed(0)} kB`;
console.log(`page ${version}: ${mainName} ${kb(mainName)}, ${workerName} ${kb(workerName)}, ${cssName} ${kb(cssName)}${wasmName ? `, ${wasmName} ${kb(wasmName)}` : ''}`);
