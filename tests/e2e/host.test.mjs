// The whole thing, nothing replaced: real Chromium, real server, real engine. Types into the page, reads the terminal.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { browser, realSite, screen, sees, type } from './support.mjs';

let site;
let b;
let page;
const LONG = { timeout: 240_000 };

before(async () => {
  site = await realSite();
  b = await browser();
});
after(async () => {
  await b?.close();
  await site?.close();
});

/** A line in the host's shell, without the terminal. */
const exec = (line) => page.evaluate((l) => globalThis.bottleship.exec(l), line);
const view = (name) => page.locator(`#view-${name}`).click();
/** Types a line and waits for the prompt after it; answers what came between. */
async function run(line, ms = 120_000) {
  const mark = `end${Math.random().toString(36).slice(2, 8)}`;
  // The mark is taken apart in what is typed, so that its echo is not what is waited for.
  await type(page, `${line}; echo ${mark.slice(0, 4)}''${mark.slice(4)} $?`);
  const text = await sees(page, new RegExp(`^${mark} \\d+$`, 'm'), ms);
  const from = text.indexOf('\n', text.lastIndexOf(`''${mark.slice(4)}`));
  const [, output, code] = new RegExp(`\\n([^]*?)${mark} (\\d+)`).exec(text.slice(from)) ?? [];
  return { output, code: Number(code) };
}

test('from nothing to a prompt', LONG, async () => {
  page = await b.open(`${site.url}/`);
  await sees(page, /[#$] $|[#$]$/);
  const ready = await page.evaluate(() => performance.now());
  // The page's own requests, and those of the worker that holds the host.
  const bytes = () => [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')].reduce((n, e) => n + e.encodedBodySize, 0);
  const [inPage, inWorker] = await Promise.all([page.evaluate(bytes), page.workers()[0].evaluate(bytes)]);
  assert.ok(inWorker > 1_000_000, `only ${inWorker} bytes are the worker’s: the engine is not among what is counted`);
  const transferred = inPage + inWorker;
  console.log(`cold: prompt after ${Math.round(ready)} ms, ${(transferred / 1e6).toFixed(2)} MB transferred`);
  assert.ok(transferred < 2_500_000, `${transferred} bytes transferred before the prompt`);
});

describe('shell', () => {
  test('pipes, exit codes and standard error are the real shell’s', LONG, async () => {
    assert.deepEqual(await run('printf "b\\na\\n" | sort'), { output: 'a\nb\n', code: 0 });
    assert.equal((await run('sh -c "exit 7"')).code, 7);
    const result = await exec('echo out; echo err >&2; exit 5');
    assert.equal(result.stdout, 'out\n');
    assert.equal(result.stderr, 'err\n');
    assert.equal(result.exitCode, 5);
    assert.ok(result.ms > 0);
  });

  test('Ctrl+C interrupts, also what prints without end', LONG, async () => {
    await type(page, 'sleep 1000');
    await page.waitForTimeout(300);
    await page.keyboard.press('Control+c');
    assert.equal((await run('echo back')).output, 'back\n');
    await type(page, 'yes');
    await sees(page, /y\ny\ny\n/);
    await page.keyboard.press('Control+c');
    assert.equal((await run('echo again')).output, 'again\n');
  });

  test('the pty has the terminal’s size', LONG, async () => {
    const size = async () => (await run('stty size')).output.trim().split(' ').map(Number);
    const [rows, cols] = await size();
    await page.setViewportSize({ width: 900, height: 700 });
    await page.waitForTimeout(300);
    const [rows2, cols2] = await size();
    await page.setViewportSize({ width: 1440, height: 900 });
    assert.ok(rows2 < rows && cols2 < cols, `${rows}×${cols}, then ${rows2}×${cols2}`);
  });

  test('terminals are shells of one host', LONG, async () => {
    await run('cd /tmp; FOO=1; echo shared > /tmp/shared');
    await page.getByRole('button', { name: 'New terminal' }).click();
    await sees(page, /[#$]/);
    assert.equal((await run('cat /tmp/shared; echo "[$FOO]"')).output, 'shared\n[]\n');
    await page.getByRole('button', { name: 'Close this terminal' }).click();
    assert.equal((await run('echo "$FOO"')).output, '1\n');
    await run('cd');
  });
});

describe('docker', () => {
  test('docker run pulls, runs the image’s real binary and shows both in the picture', LONG, async () => {
    const { output, code } = await run('docker run --name first busybox echo hi');
    assert.match(output, /Unable to find image 'busybox:latest' locally/);
    assert.match(output, /Pull complete/);
    assert.match(output, /Digest: sha256:[0-9a-f]{64}/);
    assert.match(output, /\nhi\n/);
    assert.equal(code, 0);
    await page.getByRole('button', { name: /^Image busybox:latest/ }).waitFor();
    await page.getByRole('button', { name: /^Container first, exit 0/ }).waitFor();
  });

  test('a container’s life is seen as it happens', LONG, async () => {
    await run('docker run -d --name sleeper busybox sleep 1000');
    await page.getByRole('button', { name: /^Container sleeper, running/ }).waitFor();
    await run('docker pause sleeper');
    await page.getByRole('button', { name: /^Container sleeper, paused/ }).waitFor();
    await run('docker unpause sleeper');
    assert.match((await run('docker exec sleeper ps')).output, /sleep 1000/);
    await run('docker rm -f sleeper');
    await page.getByRole('button', { name: /^Container sleeper/ }).waitFor({ state: 'detached' });
  });

  test('facts say what the container changed', LONG, async () => {
    await run('docker run --name writer busybox sh -c "echo x > /made; rm /etc/passwd"');
    await page.getByRole('button', { name: /^Container writer/ }).click();
    const facts = page.getByRole('complementary', { name: 'About writer' });
    await facts.getByText('/made', { exact: true }).waitFor();
    await facts.getByText('/etc/passwd', { exact: true }).waitFor();
    await facts.getByRole('button', { name: 'docker rm writer' }).click();
    await page.getByRole('button', { name: /^Container writer/ }).waitFor({ state: 'detached' });
  });

  test('a published port answers the host', LONG, async () => {
    await run('docker run -d --name web -p 8080:80 busybox sh -c "echo served > /index.html; httpd -f -p 80 -h /"');
    const served = 'for i in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://localhost:8080/ 2>/dev/null && break; sleep 0.2; done';
    assert.equal((await run(served)).output, 'served\n');
    await page.getByRole('button', { name: /^Container web, running, 8080→80/ }).waitFor();
    await run('docker rm -f web');
  });

  test('an image is written in the editor, built and run', LONG, async () => {
    await view('files');
    await page.getByRole('button', { name: 'New file', exact: true }).click();
    await page.locator('dialog input').fill('/root/greet/Dockerfile');
    await page.keyboard.press('Enter');
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('FROM busybox\nRUN echo built > /greeting\nCMD ["cat", "/greeting"]\n');
    await page.getByRole('button', { name: /docker build -t greet/ }).click();
    await sees(page, /naming to docker\.io\/library\/greet|Successfully tagged greet:latest/, 120_000);
    assert.match((await run('docker run --rm greet')).output, /^built$/m);
    await view('host');
    await page.getByRole('button', { name: /^Image greet:latest/ }).waitFor();
    await view('build');
    await page.locator('.step', { hasText: 'RUN echo built > /greeting' }).waitFor();
    await view('host');
  });

  test('an image goes out as a file and a dropped file comes in', LONG, async () => {
    await page.getByRole('button', { name: /^Image greet:latest/ }).click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as a file' }).click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    const tar = Buffer.concat(chunks);
    await run('docker rmi greet');
    await page.getByRole('button', { name: /^Image greet:latest/ }).waitFor({ state: 'detached' });
    const data = await page.evaluateHandle((base64) => {
      const d = new DataTransfer();
      d.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'greet.tar'));
      return d;
    }, tar.toString('base64'));
    for (const kind of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('#main', kind, { dataTransfer: data });
    await sees(page, /Loaded image: greet:latest/, 60_000);
    await page.getByRole('button', { name: /^Image greet:latest/ }).waitFor();
  });

  test('what docker export wrote is imported when it is dropped', LONG, async () => {
    await exec('docker create --name tree busybox > /dev/null; docker export -o /root/tree.tar tree; docker rm tree');
    const data = await page.evaluateHandle(async () => {
      const d = new DataTransfer();
      d.items.add(new File([await globalThis.bottleship.fs.readFile('/root/tree.tar')], 'My Tree.tar'));
      return d;
    });
    for (const kind of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('#main', kind, { dataTransfer: data });
    await page.getByRole('button', { name: /^Image my-tree:latest/ }).waitFor();
    assert.equal((await exec('docker run --rm my-tree echo imported')).stdout, 'imported\n');
  });

  test('steps of a build say what the cache had, and layers can be looked into', LONG, async () => {
    const { steps, top, text } = await page.evaluate(async () => {
      const { bottleship } = globalThis;
      const steps = [];
      const off = bottleship.on('build-step', (step) => steps.push(step));
      await bottleship.exec('mkdir look; cd look; printf "FROM busybox\\nRUN rm -r /root; echo in > /in\\nCOPY a /a\\n" > Dockerfile; echo 1 > a; docker build -q -t look .');
      steps.length = 0;
      await bottleship.exec('cd look; echo 2 > a; docker build -q -t look .');
      off();
      const layers = JSON.parse((await bottleship.exec('docker inspect -f "{{json .RootFS.Layers}}" look')).stdout);
      const { entries } = await bottleship.tree.list({ layer: layers.at(-2) }, '/');
      const { data } = await bottleship.tree.readFile({ image: 'look' }, '/a');
      return { steps, top: entries.map((e) => `${e.type} ${e.name}`), text: new TextDecoder().decode(data) };
    });
    const outcome = (part) => steps.find((s) => s.name.includes(part))?.cache;
    assert.equal(outcome('RUN')?.outcome, 'hit');
    assert.equal(outcome('COPY')?.reason, 'files');
    assert.deepEqual(steps[0].tags, ['look:latest']);
    assert.ok(top.includes('file in') && top.includes('whiteout root'), top.join());
    assert.equal(text, '2\n');
  });

  test('a script hears a command’s output before its end, and ends it', LONG, async () => {
    const { first, ms, exitCode } = await page.evaluate(async () => {
      const stop = new AbortController();
      let first = '';
      const onOutput = (text) => {
        first ||= text;
        stop.abort();
      };
      const { exitCode, ms } = await globalThis.bottleship.exec('echo begun; sleep 1000', { onOutput, signal: stop.signal });
      return { first, ms, exitCode };
    });
    assert.deepEqual([first, exitCode], ['begun\n', 143]);
    assert.ok(ms < 100_000);
    // More than may be on its way at once, to a listener that only counts.
    const length = await page.evaluate(async () => {
      let length = 0;
      await globalThis.bottleship.exec('yes | head -c 3000000', { onOutput: (text) => (length += text.length) });
      return length;
    });
    assert.equal(length, 3_000_000);
  });

  test('an error is Docker’s, and explained below', LONG, async () => {
    const { output, code } = await run('docker run --name first busybox true');
    assert.match(output, /Conflict\. The container name "\/first" is already in use by container/);
    assert.equal(code, 125);
    await page.waitForSelector('.explain:has-text("There is already a container called first.")');
  });
});

describe('what is kept', () => {
  test('a reload keeps images, containers, volumes and files', LONG, async () => {
    await run('docker volume create kept; docker run --rm -v kept:/v busybox sh -c "echo in-volume > /v/f"; echo note > /root/note.txt');
    const before = await exec('docker images -q; docker ps -aq');
    await page.waitForTimeout(1500);
    const start = Date.now();
    await page.reload();
    await page.evaluate(() => globalThis.bottleship.ready);
    await sees(page, /[#$]/);
    console.log(`reload: prompt after ${Date.now() - start} ms`);
    assert.equal((await exec('docker images -q; docker ps -aq')).stdout, before.stdout);
    assert.equal((await exec('docker run --rm -v kept:/v busybox cat /v/f')).stdout, 'in-volume\n');
    assert.equal((await exec('cat /root/note.txt')).stdout, 'note\n');
  });

  test('a tab closed in the middle keeps what was said to be done', LONG, async () => {
    await exec('docker tag busybox crash:test');
    const closing = page;
    page = await b.context.newPage();
    await closing.close({ runBeforeUnload: false });
    await page.goto(`${site.url}/`);
    await page.evaluate(() => globalThis.bottleship.ready);
    assert.match((await exec('docker images')).stdout, /^crash +test/m);
  });

  test('everything goes out as a tar', LONG, async () => {
    const names = await page.evaluate(async () => {
      const tar = await globalThis.bottleship.export();
      const names = [];
      for (let at = 0; at + 512 <= tar.length && tar[at]; ) {
        const text = (from, to) => new TextDecoder().decode(tar.subarray(at + from, at + to)).replace(/\0.*$/s, '');
        names.push(text(0, 100));
        at += 512 + Math.ceil(parseInt(text(124, 136), 8) / 512) * 512;
      }
      return names;
    });
    assert.ok(names.some((n) => n.startsWith('content/sha256:')) && names.some((n) => n.startsWith('host-tree/')), names.join(' '));
  });

  test('a second tab says that the host is open here', LONG, async () => {
    const second = await b.context.newPage();
    await second.goto(`${site.url}/`);
    await second.waitForSelector('text=open in another tab');
    await second.close();
    assert.equal((await exec('echo still')).stdout, 'still\n');
  });

  test('emptying asks, then everything is gone', LONG, async () => {
    const done = page.evaluate(() => globalThis.bottleship.reset());
    await page.getByRole('button', { name: 'Delete everything' }).click();
    assert.equal(await done, true);
    await page.waitForFunction(() => document.documentElement.dataset.host === 'ready');
    await page.waitForSelector('.gk');
    assert.equal((await exec('docker images -q; ls /root/note.txt 2>/dev/null')).stdout, '');
  });
});

test('an idle host costs nothing', LONG, async (t) => {
  if (process.platform !== 'linux') return t.skip('reads /proc');
  await run('echo quiet');
  await page.waitForTimeout(3000);
  const cpu = () => {
    // All of the browser's processes: user and system time in ticks of 10 ms.
    const lines = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n').filter((l) => l.includes(b.profile) && l.includes('--type=renderer'));
    return lines.reduce((n, l) => {
      const stat = execFileSync('cat', [`/proc/${l.trim().split(/\s+/)[0]}/stat`], { encoding: 'utf8' });
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return n + Number(fields[11]) + Number(fields[12]);
    }, 0);
  };
  const one = cpu();
  await page.waitForTimeout(5000);
  const ticks = cpu() - one;
  // A host that polls takes seconds; what the browser itself does now and then is some 150 ms. `cargo xtask bench` has
  // the figure.
  assert.ok(ticks <= 50, `${ticks * 10} ms of processor time in 5 s of idleness`);
});

test('no error in the console, no request elsewhere, no violation of the policy', async () => {
  assert.deepEqual(b.wrong.console, []);
  assert.deepEqual(b.wrong.foreign, []);
  assert.deepEqual(await page.evaluate(() => globalThis.cspViolations), []);
  assert.ok((await screen(page)).length > 0);
});
