// node bench.mjs: the figures of the page in headless Chromium, as one JSON document on standard output.
// The server's program and the site come from BOTTLESHIP and BOTTLESHIP_SITE, as for the end-to-end tests.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const CHROMIUM_FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];
const RUNS = Number(process.env.BENCH_RUNS ?? 9);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function serve() {
  const data = await mkdtemp(join(tmpdir(), "bottleship-bench-"));
  const server = spawn(process.env.BOTTLESHIP, ["serve", "--addr", "127.0.0.1:0", "--data", data], {
    env: process.env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: server.stdout })) {
    const at = line.match(/listening on (http:\S+)/);
    if (at) return { url: at[1], stop: () => (server.kill(), rm(data, { recursive: true, force: true })) };
  }
  throw new Error("the server ended without an address");
}

/** Bytes of the page's requests and of its worker's, which has fetched the engine, as they were sent. */
async function transferred(page) {
  const bytes = () =>
    [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")].reduce((sum, entry) => sum + entry.encodedBodySize, 0);
  const counts = await Promise.all([page, ...page.workers()].map((from) => from.evaluate(bytes)));
  return counts.reduce((a, b) => a + b);
}

/** Opens the site in `profile`, waits for the prompt; its time in milliseconds, the bytes until then. */
async function open(profile, url) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    args: CHROMIUM_FLAGS,
    viewport: { width: 1440, height: 900 },
  });
  const page = context.pages()[0] ?? (await context.newPage());
  // The browser's own start is no part of the page's.
  await page.goto("about:blank");
  await page.waitForTimeout(1500);
  await page.goto(url);
  await page.waitForFunction(() => performance.getEntriesByName("bottleship:prompt").length > 0, null, { timeout: 60_000 });
  const prompt = await page.evaluate(() => performance.getEntriesByName("bottleship:prompt")[0].startTime);
  return { context, page, prompt, bytes: await transferred(page) };
}

async function withProfile(f) {
  const profile = await mkdtemp(join(tmpdir(), "bottleship-profile-"));
  try {
    return await f(profile);
  } finally {
    // The browser may still be writing its last.
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/**
 * Processor time of all processes of the browser with a profile, in milliseconds. The profile is not in the command line
 * of each: they are the descendants of the one that has it.
 */
async function processorTime(profile) {
  const stats = new Map();
  const browsers = new Set();
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    try {
      const [command, stat] = await Promise.all([
        readFile(`/proc/${pid}/cmdline`, "utf8"), readFile(`/proc/${pid}/stat`, "utf8"),
      ]);
      if (command.split("\0").includes(`--user-data-dir=${profile}`)) browsers.add(pid);
      // After the name, which may hold anything: state, parent, …
      stats.set(pid, stat.slice(stat.lastIndexOf(")") + 2).split(" "));
    } catch {
      // The process has ended meanwhile.
    }
  }
  if (!browsers.size) throw new Error(`no process has the profile ${profile}`);
  const belongs = (pid) => pid !== undefined && (browsers.has(pid) || (stats.has(pid) && belongs(stats.get(pid)[1])));
  let ticks = 0;
  for (const [pid, fields] of stats) if (belongs(pid)) ticks += Number(fields[11]) + Number(fields[12]);
  return ticks * 10;
}

const DOCKERFILE = `FROM busybox
ENV A=1
WORKDIR /app
COPY a.txt .
RUN echo 1 > 1
RUN echo 2 > 2
COPY b.txt .
RUN cat a.txt b.txt > ab
EXPOSE 80
CMD ["cat","ab"]
`;

/** No line takes nearly as long; one that does is named, instead of a bench that never ends. */
const LINE_MS = 120_000;

/** Runs a line in the host's shell; milliseconds. */
async function exec(page, line, { fail = true } = {}) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${line}: did not end within ${LINE_MS / 1000} s`)), LINE_MS).unref();
  });
  const result = await Promise.race([page.evaluate((l) => globalThis.bottleship.exec(l), line), late]);
  if (fail && result.exitCode !== 0) throw new Error(`${line}: exit code ${result.exitCode}: ${result.stderr}`);
  return result.ms;
}

/** Measures; what can't be measured is said and left out of the table. */
async function attempt(what, f) {
  try {
    await f();
  } catch (error) {
    console.error(`bench: ${what}: ${error.message}`);
    process.exitCode = 1;
  }
}

async function measure(page) {
  const timed = (name, line, runs = RUNS) =>
    attempt(name, async () => {
      const times = [];
      for (let i = 0; i < runs; i++) times.push(await exec(page, line));
      figure(name, times);
    });
  await exec(page, "docker pull -q busybox >/dev/null");
  // Warm the optimising compiler as a minute of use would.
  for (let i = 0; i < 5; i++) await exec(page, "i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i+1)); done; docker run --rm busybox true");
  await timed("echo hi, ms", "echo hi", 21);
  await timed("docker run --rm busybox true, ms", "docker run --rm busybox true", 21);
  await timed("200 x /bin/true, ms", "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done", 5);
  await page.evaluate(
    async (text) => {
      await globalThis.bottleship.exec("mkdir -p /root/bench");
      await globalThis.bottleship.fs.writeFile("/root/bench/Dockerfile", text);
      await globalThis.bottleship.fs.writeFile("/root/bench/a.txt", "a\n");
      await globalThis.bottleship.fs.writeFile("/root/bench/b.txt", "b\n");
    },
    DOCKERFILE,
  );
  // As oracle/latency.py does it: the classic builder.
  for (const [builder, legacy] of [["classic", 0], ["BuildKit", 1]]) {
    const build = `DOCKER_BUILDKIT=${legacy} docker build -q -t bench /root/bench >/dev/null 2>&1`;
    await timed(`build of 10 steps, ${builder}, cold, ms`, build.replace("-q", "--no-cache -q"));
    await timed(`build of 10 steps, ${builder}, cached, ms`, build);
  }
  await timed("ash loop to 100 000, ms", "ash -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'", 3);
  await exec(page, "head -c 20000000 /dev/zero > /tmp/zeros");
  await timed("sha256sum of 20 MB, ms", "sha256sum /tmp/zeros >/dev/null", 3);
  await exec(page, "rm /tmp/zeros");
}

async function memory(page) {
  const MB = 1e6;
  const now = () => page.evaluate(() => globalThis.bottleship.memory());
  figure("wasm memory at the prompt, MB", [(await now()).bytes / MB]);
  await exec(page, "docker pull -q busybox >/dev/null; docker run --rm busybox true");
  // wasm memory never shrinks: what a container takes, and what it leaves, shows in what the allocator has in use.
  // One round first, so that caches and tables have the size that they keep.
  const many = 20;
  const takes = [];
  const leaves = [];
  for (let round = 0; round < 4; round++) {
    const before = await now();
    await exec(page, `i=0; while [ $i -lt ${many} ]; do docker run -d busybox sleep 1000 >/dev/null; i=$((i+1)); done`);
    const during = await now();
    await exec(page, "docker rm -f $(docker ps -aq) >/dev/null");
    const after = await now();
    if (round === 0) continue;
    takes.push((during.used - before.used) / many / MB);
    leaves.push((after.used - before.used) / many / MB);
  }
  figure("an idle busybox container, in use, MB", takes);
  figure("left after its removal, in use, MB", leaves);
  figure("wasm memory after 80 containers, MB", [(await now()).bytes / MB]);
}

/** @type {Record<string, { median: number, least: number, runs: number }>} */
const figures = {};
function figure(name, values) {
  figures[name] = { median: median(values), least: Math.min(...values), runs: values.length };
}

const server = await serve();
try {
  const cold = [];
  const reloads = [];
  const bytes = [];
  await attempt("navigation", async () => {
    for (let i = 0; i < RUNS; i++) {
      await withProfile(async (profile) => {
        const first = await open(profile, server.url);
        cold.push(first.prompt);
        bytes.push(first.bytes / 1e6);
        // The service worker has taken what it keeps once it is active.
        await first.page.evaluate(() => navigator.serviceWorker.ready);
        await first.page.waitForTimeout(500);
        await first.page.reload();
        await first.page.waitForFunction(() => performance.getEntriesByName("bottleship:prompt").length > 0, null, { timeout: 60_000 });
        reloads.push(await first.page.evaluate(() => performance.getEntriesByName("bottleship:prompt")[0].startTime));
        await first.context.close();
      });
    }
    figure("navigation to prompt, cold, ms", cold);
    figure("transferred before the prompt, cold, MB", bytes);
    figure("reload to prompt, warm, ms", reloads);
  });
  await withProfile(async (profile) => {
    const { context, page } = await open(profile, server.url);
    await attempt("memory", () => memory(page));
    await attempt("an idle tab", async () => {
      await page.waitForTimeout(3000);
      const start = await processorTime(profile);
      await page.waitForTimeout(10_000);
      figure("processor time of an idle tab in 10 s, ms", [(await processorTime(profile)) - start]);
    });
    await attempt("commands", () => measure(page));
    await context.close();
  });
} finally {
  await server.stop();
}
console.log(JSON.stringify(figures, null, 1));
process.exit();
