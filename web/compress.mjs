// node compress.mjs DIR: writes FILE.br and FILE.gz beside every file of a site that compresses well, so that the
// server never compresses while somebody waits.
import { readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import zlib from "node:zlib";

const brotli = promisify(zlib.brotliCompress);
const gzip = promisify(zlib.gzip);
const TEXT = /\.(html|css|js|mjs|json|webmanifest|svg|wasm|md|txt|tar)$/;
// The layers of the offered images are compressed already.
const SKIP = /^v2$/;

async function* files(dir, top = true) {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory() && !(top && SKIP.test(entry.name))) yield* files(path, false);
    else if (entry.isFile() && TEXT.test(entry.name)) yield path;
  }
}

async function upToDate(path, source) {
  try {
    return (await stat(path)).mtimeMs === source.mtimeMs;
  } catch {
    return false;
  }
}

async function write(path, source, data) {
  await writeFile(path, data);
  await utimes(path, source.atime, source.mtime);
}

const dir = process.argv[2];
if (!dir) throw new Error("usage: node compress.mjs DIR");
for await (const path of files(dir)) {
  const source = await stat(path);
  if (await upToDate(`${path}.br`, source)) continue;
  const data = await readFile(path);
  const params = {
    [zlib.constants.BROTLI_PARAM_QUALITY]: 11,
    [zlib.constants.BROTLI_PARAM_LGWIN]: 24,
    [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length,
  };
  await write(`${path}.br`, source, await brotli(data, { params }));
  await write(`${path}.gz`, source, await gzip(data, { level: 9 }));
}
