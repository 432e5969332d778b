// Looking into things in the real thing: layers' files and where they come from, builds with reasons, two images, what a
// prune frees, previews of published ports.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { axePath, browser, realSite, screen } from './support.mjs';

const axe = readFileSync(axePath, 'utf8');
let site;
let b;
let page;
const LONG = { timeout: 300_000 };

before(async () => {
  site = await realSite();
  b = await browser();
  page = await b.open(`${site.url}/`);
});
after(async () => {
  await b?.close();
  await site?.close();
});

async function exec(line) {
  const { exitCode, stdout, stderr } = await page.evaluate((l) => globalThis.bottleship.exec(l), line);
  assert.equal(exitCode, 0, `${line}: ${stdout}${stderr}`);
  return stdout;
}
const view = (name) => page.locator(`#view-${name}`).click();
async function accessible(what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], iframes: false }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(' | ')}`), [], `accessibility of ${what}`);
}

test('a layer’s files: what it adds, changes and removes; a file’s versions and what hides them', LONG, async () => {
  await exec(`mkdir -p /root/site && cd /root/site && printf 'FROM busybox\\nCOPY page /www/page\\nRUN echo second > /www/page; echo new > /www/new\\nRUN rm /www/new; echo x >> /etc/passwd\\n' > Dockerfile && echo first version > page && docker build -q -t site:1 .`);
  await page.getByRole('button', { name: /^Image site:1/ }).click();
  await page.getByRole('complementary').getByRole('button', { name: 'Its files' }).click();
  const layers = page.getByRole('group', { name: 'Layers' });
  assert.equal(await layers.getByRole('listitem').count(), 4);
  await layers.getByRole('button', { name: /^Layer 4 of 4/ }).click();
  const tree = page.getByRole('tree', { name: 'Files' });
  await tree.getByRole('treeitem', { name: /^www/ }).click();
  await tree.getByRole('treeitem', { name: /^new, removes 4 B, deleted/ }).waitFor();
  await tree.getByRole('treeitem', { name: /^etc/ }).focus();
  await page.keyboard.press('ArrowRight');
  await tree.getByRole('treeitem', { name: /^passwd, .* changed/ }).click();
  const file = page.getByRole('region', { name: 'The file' });
  await file.getByText('What changed').waitFor();
  assert.match(await file.locator('.diff .add').innerText(), /\+ x/);
  assert.match(await file.locator('.vers li').nth(0).innerText(), /Seen by every container of the image[^]*layer 4[^]*RUN rm \/www\/new/);
  assert.match(await file.locator('.vers li').nth(1).innerText(), /Hidden but still stored/);
  await tree.getByRole('treeitem', { name: /^new, .*deleted/ }).click();
  await file.getByText('Removed here').waitFor();
  assert.match(await file.innerText(), /Removed here, but what is beneath is still stored[^]*Hidden but still stored, still 4 B[^]*4 B of it that nobody sees is still on disk/);
  await accessible('files of a layer');
  await layers.getByRole('button', { name: /^All layers together/ }).click();
  await tree.getByRole('treeitem', { name: /^www/ }).click();
  await tree.getByRole('treeitem', { name: /^page/ }).click();
  await file.locator('.xtext', { hasText: 'second' }).waitFor();
  assert.equal(await tree.getByRole('treeitem', { name: /^new/ }).count(), 0, 'what is removed is not in the image');
  assert.match(await file.locator('.vers li').nth(0).innerText(), /layer 3, Dockerfile line 3/);
  await tree.getByRole('treeitem', { name: /^bin/ }).click();
  await tree.getByRole('treeitem', { name: /^busybox/ }).click();
  await file.locator('h3', { hasText: 'Bytes' }).waitFor();
  assert.match(await file.locator('.xtext').innerText(), /^00000000 {2}7f 45 4c 46/);
});

test('a container’s files: what it wrote comes first', LONG, async () => {
  await exec('docker run -d --name writer site:1 sh -c "echo mine > /www/page; sleep 1000"; sleep 1');
  await page.getByLabel('Look into').selectOption({ label: 'writer' });
  const tree = page.getByRole('tree', { name: 'Files' });
  await tree.getByRole('treeitem', { name: /^www/ }).click();
  await tree.getByRole('treeitem', { name: /^page, .*changed/ }).click();
  const file = page.getByRole('region', { name: 'The file' });
  await file.locator('.xtext', { hasText: 'mine' }).waitFor();
  assert.match(await file.locator('.vers').innerText(), /Seen by writer[^]*writable layer[^]*Hidden but still stored[^]*Hidden but still stored/);
  await exec('docker rm -f writer');
});

test('a build says of each step whether it was cached, and why not', LONG, async () => {
  await exec('cd /root/site && echo another version > page && docker build -q -t site:2 .');
  await view('build');
  const steps = page.locator('.step');
  await page.locator('.step.first').waitFor();
  const text = await page.locator('.steps').innerText();
  assert.match(text, /COPY page[^]*rebuilt/);
  assert.match(await page.locator('.step.first').innerText(), /COPY page \/www\/page\s+The files changed/);
  assert.match(await steps.last().innerText(), /the layer beneath it changed/);
  await page.locator('.fork .slab').first().waitFor();
  assert.match(await page.locator('.fork').innerText(), /What site:2 shares with site:1[^]*1 layer in common/);
  await exec('cd /root/site && docker build -q -t site:3 .');
  await page.waitForFunction(() => document.querySelectorAll('.step.cached').length >= 3);
  assert.equal(await page.locator('.step.built').count(), 0, 'all is cached the second time');
  await accessible('a build');
});

test('two images: layers, settings, files', LONG, async () => {
  await exec('cd /root/site && printf "FROM site:1\\nENV MODE=fast\\nRUN echo more > /more\\n" > D2 && docker build -q -t site:4 -f D2 .');
  await view('host');
  for (const name of [/^Image site:1/, /^Image site:4/]) {
    await page.getByRole('button', { name }).focus();
    await page.keyboard.press('Space');
  }
  await page.getByRole('button', { name: 'Compare the two images' }).click();
  const region = page.getByRole('region', { name: 'Two images compared' });
  await region.getByText('/more', { exact: true }).waitFor();
  const text = await region.innerText();
  assert.match(text, /4 layers in common/);
  assert.match(text, /ENV MODE\s+–\s+fast/);
  assert.match(text, /\/more\s+not there\s+5 B/);
  assert.doesNotMatch(text, /passwd/, 'what is the same is left out');
  await accessible('two images');
});

test('what rmi and prune would free is what they free', LONG, async () => {
  await exec('docker run --name ended busybox sh -c "head -c 30000 /dev/zero > /file"');
  await view('sizes');
  const offer = (command) => page.locator('.freed tr', { has: page.getByText(command, { exact: true }) });
  await page.waitForFunction(() => /30 kB/.test(document.querySelector('.freed')?.textContent));
  assert.match(await offer('docker container prune').innerText(), /1 stopped container: ended\s+30 kB/);
  assert.match(await exec('docker container prune -f'), /30kB/);
  await page.waitForFunction(() => !/ended/.test(document.querySelector('.freed')?.textContent));
  const promised = await offer('docker image prune -a').innerText();
  await accessible('sizes');
  const disk = () => page.evaluate(() => document.querySelectorAll('.eq b')[2]?.textContent ?? '0 B');
  const before = await disk();
  await exec('docker image prune -af');
  await page.waitForFunction(() => !document.querySelector('.eq'));
  assert.ok(promised.includes(before), `${promised} is all of ${before}`);
});

test('a published port is a page of another origin that can’t touch this one', LONG, async () => {
  const html = `<!doctype html><title>Shop</title><link rel="stylesheet" href="/style.css"><h1>Shop</h1><form action="/cgi-bin/say"><input name="word"><button>Send</button></form><p id="probe">…</p><script src="app.js"></script>`;
  const app = `const out = []; const tell = (k, f) => { try { out.push(k + '=' + f()); } catch (e) { out.push(k + ' refused'); } };
tell('origin', () => location.origin); tell('opener', () => top.opener); tell('go', () => { top.location = 'about:blank'; return 'went'; });
fetch('/data.json').then((r) => r.json()).then((d) => { document.querySelector('#probe').textContent = out.join('; ') + '; data=' + d.n; });`;
  await page.evaluate(async ([h, a]) => {
    const { fs, exec } = globalThis.bottleship;
    await exec('mkdir -p /root/www/cgi-bin');
    await fs.writeFile('/root/www/index.html', h);
    await fs.writeFile('/root/www/app.js', a);
    await fs.writeFile('/root/www/style.css', 'h1 { color: rgb(1, 2, 3) }');
    await fs.writeFile('/root/www/data.json', '{"n": 42}');
    await fs.writeFile('/root/www/cgi-bin/say', '#!/bin/sh\nprintf "Content-Type: text/html\\r\\n\\r\\n<p id=said>said $QUERY_STRING</p>"\n');
    await exec('chmod +x /root/www/cgi-bin/say');
  }, [html, app]);
  await exec('docker run -d --name shop -p 8080:80 -v /root/www:/www busybox httpd -f -p 80 -h /www');
  await view('host');
  await page.getByRole('button', { name: /^Container shop, running, 8080→80/ }).click();
  await page.getByRole('button', { name: 'Preview port 8080' }).click();
  // In the panel it is a frame, which a browser may refuse a service worker; then it says so. The tab has it in any case.
  const frame = page.locator('.pvbody iframe');
  assert.equal(await frame.getAttribute('title'), 'Preview of shop, port 8080');
  assert.doesNotMatch(await frame.getAttribute('sandbox'), /top-navigation|popups|modals|downloads/);
  assert.notEqual(new URL(await frame.getAttribute('src')).origin, new URL(site.url).origin);
  await page.frameLocator('.pvbody iframe').locator('iframe, p:has-text("Open the preview in a tab")').waitFor({ timeout: 60_000 });
  await accessible('a preview');
  const [tab] = await Promise.all([b.context.waitForEvent('page'), page.getByRole('button', { name: 'Open in a tab' }).click()]);
  const shop = tab.frameLocator('iframe');
  await shop.locator('#probe', { hasText: 'data=42' }).waitFor({ timeout: 60_000 });
  const probe = await shop.locator('#probe').innerText();
  assert.match(probe, /^origin=http:\/\/[\w.]+:\d+; opener=null; go refused; data=42$/);
  assert.notEqual(/origin=([^;]+)/.exec(probe)[1], new URL(site.url).origin);
  assert.equal(await shop.locator('h1').evaluate((e) => getComputedStyle(e).color), 'rgb(1, 2, 3)', 'its style sheet came, too');
  await shop.locator('input').fill('hello');
  await shop.getByRole('button', { name: 'Send' }).click();
  await shop.locator('#said', { hasText: 'said word=hello' }).waitFor();
  await exec('docker rm -f shop; docker run -d --name deaf -p 8080:80 busybox sleep 1000');
  await tab.reload();
  await tab.locator('p', { hasText: 'Open it from the page that runs the Docker host' }).waitFor();
  await tab.close();
  const [other] = await Promise.all([b.context.waitForEvent('page'), page.getByRole('button', { name: 'Open in a tab' }).click()]);
  await other.frameLocator('iframe').locator('body', { hasText: /The server did not answer/ }).waitFor({ timeout: 60_000 });
  await other.close();
  await exec('docker rm -f deaf');
});

test('a message of a stranger gets no line to a server', LONG, async () => {
  const got = await page.evaluate(async () => {
    const frame = document.createElement('iframe');
    frame.src = './preview/open.html';
    document.body.append(frame);
    await new Promise((resolve) => (frame.onload = resolve));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const text = frame.contentDocument.body.textContent.trim();
    frame.remove();
    return text;
  });
  assert.equal(got, 'Opening the preview');
});

test('no error in the console, no violation of the policy', async () => {
  const elsewhere = b.wrong.foreign.filter((u) => !/^(127\.0\.0\.1|localhost|p8080\.localhost)$/.test(new URL(u).hostname));
  assert.deepEqual(elsewhere, []);
  // The probes were meant to be refused, and 404 and 502 are answers that the tests asked for.
  assert.deepEqual(b.wrong.console.filter((m) => !/status of (404|502)|Unsafe attempt to initiate navigation|Blocked a frame|ERR_ABORTED/.test(m)), [], await screen(page));
  assert.deepEqual(await page.evaluate(() => globalThis.cspViolations), []);
});
