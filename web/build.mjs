// Builds the site's page: bundles web/js, copies static/, names files by content, writes the service worker's list.
// usage: node web/build.mjs [--wasm DIR] [--host FILE] [--out DIR] [--minify=false]
//   --wasm  holds wasm-bindgen's output: bottleship_web.js and bottleship_web_bg.wasm of the engine, and the same of
//           bottleship_web_lesson (default target/wasm)
//   --host  the host's root file system, a tar; without it the page asks for the site's host.tar as it is
//   --out   the site (default target/site)
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
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

const worker = await esbuild.build({
  ...common,
  splitting: true,
  entryPoints: ['js/worker.js'],
  alias: { 'bottleship-wasm': glue, 'bottleship-lesson-wasm': join(wasmDir, 'bottleship_web_lesson.js') },
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
  entryPoints: ['js/main.js', 'js/start.js', '../static/app.css'],
  define: { BOTTLESHIP_WORKER: JSON.stringify(`./${workerName}`) },
});
const mainName = outputOf(page.metafile, 'js/main.js');
const startName = outputOf(page.metafile, 'js/start.js');
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
const bundled = new Set(['index.html', 'app.css', 'guide.css', 'picture.css', 'tokens.css', 'ui.css']);
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

// The lessons in their order: what their front matter's plain lines say.
const lessons = [];
const lessonsDir = join(root, 'static/lessons');
for (const course of existsSync(lessonsDir) ? readdirSync(lessonsDir).sort() : []) {
  if (!statSync(join(lessonsDir, course)).isDirectory()) continue;
  for (const file of readdirSync(join(lessonsDir, course)).sort()) {
    const name = /^\d+-([a-z\d-]+)\.md$/.exec(file)?.[1];
    if (!name) continue;
    const head = /^---\n([^]*?)\n---\n/.exec(readFileSync(join(lessonsDir, course, file), 'utf8'))?.[1] ?? '';
    const say = (/** @type {string} */ key) => new RegExp(`^${key}: *(.*?) *$`, 'm').exec(head)?.[1].replace(/^(["'])(.*)\1$/, '$2') ?? '';
    lessons.push({ name, path: `./lessons/${course}/${file}`, course, title: say('title'), summary: say('summary'), level: say('level'), minutes: Number(say('minutes')) });
  }
}
mkdirSync(join(out, 'lessons'), { recursive: true });
writeFileSync(join(out, 'lessons/index.json'), JSON.stringify(lessons));

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
// A server that has origins for previews answers this itself.
writeFileSync(join(out, 'previews.json'), '{}\n');

const built = [worker, page, headless].flatMap((result) => Object.keys(result.metafile.outputs)).map((k) => relative(out, resolve(web, k)).replaceAll('\\', '/'));
const precache = [...new Set([...built, ...copied.filter((c) => /^(icons\/|manifest)/.test(c)), ...[wasmName, lessonWasmName, hostName].filter(Boolean), 'index.html'])].sort();
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
