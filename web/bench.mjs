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

/** Opens the site in `profile`, waits for the prompt; milliseconds, and bytes over the network. */
async function open(profile, url) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    args: CHROMIUM_FLAGS,
    viewport: { width: 1440, height: 900 },
  });
  const page = context.pages()[0] ?? (await context.newPage());
  const network = await context.newCDPSession(page);
  let bytes = 0;
  await network.send("Network.enable");
  network.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  await page.goto(url);
  await page.waitForFunction(() => performance.getEntriesByName("bottleship:prompt").length > 0, null, { timeout: 60_000 });
  const prompt = await page.evaluate(() => performance.getEntriesByName("bottleship:prompt")[0].startTime);
  return { context, page, prompt, bytes: () => bytes };
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

/** Processor time of all of a browser's processes, in milliseconds. */
async function processorTime() {
  let ticks = 0;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    try {
      const [command, stat] = await Promise.all([
        readFile(`/proc/${pid}/cmdline`, "utf8"), readFile(`/proc/${pid}/stat`, "utf8"),
      ]);
      if (!command.includes("chromium")) continue;
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // The process has ended meanwhile.
    }
  }
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

async function measure(page, figures) {
  const exec = async (line) => {
    const result = await page.evaluate((l) => window.bottleship.exec(l), line);
    if (result.exitCode !== 0) throw new Error(`${line}: exit code ${result.exitCode}: ${result.stderr}`);
    return result.ms;
  };
  const timed = async (name, line, runs = RUNS, before) => {
    const times = [];
    for (let i = 0; i < runs; i++) {
      if (before) await exec(before);
      times.push(await exec(line));
    }
    figures[name] = median(times);
  };
  await exec("docker pull -q busybox >/dev/null");
  // Warm the optimising compiler as a minute of use would.
  for (let i = 0; i < 5; i++) await exec("i=0; while [ $i -lt 20 ]; do /bin/true; i=$((i+1)); done; docker run --rm busybox true");
  await timed("echo hi, ms", "echo hi", 21);
  await timed("docker run --rm busybox true, ms", "docker run --rm busybox true", 21);
  await timed("200 x /bin/true, ms", "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done", 5);
  await page.evaluate(
    async (text) => {
      await window.bottleship.exec("mkdir -p /root/bench");
      await window.bottleship.fs.writeFile("/root/bench/Dockerfile", text);
      await window.bottleship.fs.writeFile("/root/bench/a.txt", "a\n");
      await window.bottleship.fs.writeFile("/root/bench/b.txt", "b\n");
    },
    DOCKERFILE,
  );
  await timed("build of 10 steps, cold, ms", "docker build --no-cache -q -t bench /root/bench >/dev/null");
  await timed("build of 10 steps, cached, ms", "docker build -q -t bench /root/bench >/dev/null");
  await timed("ash loop to 100 000, ms", "ash -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'", 3);
  await exec("head -c 20000000 /dev/zero > /tmp/zeros");
  await timed("sha256sum of 20 MB, ms", "sha256sum /tmp/zeros >/dev/null", 3);
  await exec("rm /tmp/zeros");
}

async function memory(page, figures) {
  const bytes = () => page.evaluate(() => window.bottleship.memory());
  const exec = (line) => page.evaluate((l) => window.bottleship.exec(l), line);
  const MB = 1e6;
  figures["wasm memory at the prompt, MB"] = (await bytes()) / MB;
  await exec("docker pull -q busybox >/dev/null; docker run --rm busybox true");
  // wasm memory never shrinks, so what a container takes shows in what many of them add, and what they leave in
  // what as many again add.
  const many = 20;
  const round = async () => {
    const before = await bytes();
    await exec(`i=0; while [ $i -lt ${many} ]; do docker run -d --name idle$i busybox sleep 1000; i=$((i+1)); done`);
    const after = await bytes();
    await exec("docker rm -f $(docker ps -aq)");
    return (after - before) / many / MB;
  };
  figures["an idle busybox container, MB"] = await round();
  figures["left after its removal, MB"] = await round();
}

const figures = {};
const server = await serve();
try {
  const cold = [];
  const reloads = [];
  for (let i = 0; i < RUNS; i++) {
    await withProfile(async (profile) => {
      const first = await open(profile, server.url);
      cold.push(first.prompt);
      figures["transferred cold, MB"] = first.bytes() / 1e6;
      await first.page.waitForTimeout(500);
      await first.page.reload();
      await first.page.waitForFunction(() => performance.getEntriesByName("bottleship:prompt").length > 0);
      reloads.push(await first.page.evaluate(() => performance.getEntriesByName("bottleship:prompt")[0].startTime));
      await first.context.close();
    });
  }
  figures["navigation to prompt, cold, ms"] = median(cold);
  figures["reload to prompt, warm, ms"] = median(reloads);
  await withProfile(async (profile) => {
    const { context, page } = await open(profile, server.url);
    await memory(page, figures);
    await page.waitForTimeout(3000);
    const start = await processorTime();
    await page.waitForTimeout(10_000);
    figures["processor time of an idle tab in 10 s, ms"] = (await processorTime()) - start;
    await measure(page, figures);
    await context.close();
  });
} finally {
  await server.stop();
}
console.log(JSON.stringify(figures, null, 1));
process.exit(0);
