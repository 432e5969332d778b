// Real programs in the page: a Flask app that pip installs for, nginx and redis; published, and used in the preview, whose
// origin is another one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, realSite, screen } from './support.mjs';

const LONG = { timeout: 900_000 };
const APP = `from flask import Flask, redirect, request, session

app = Flask(__name__)
app.secret_key = "of this test"

@app.get("/")
def home():
    who = session.get("who", "nobody")
    return f'<!doctype html><title>App</title><h1>Hello, {who}</h1><form method=post action=/name><input name=who><button>Greet</button></form>'

@app.post("/name")
def name():
    session["who"] = request.form["who"]
    return redirect("/", code=303)

@app.post("/size")
def size():
    return {"bytes": len(request.get_data()), "last": request.get_data()[-1]}

@app.get("/large")
def large():
    return b"z" * 3_000_000

@app.get("/away")
def away():
    return redirect("http://localhost:8080/", code=302)

app.run(host="0.0.0.0", port=5000)
`;
const DOCKERFILE = `FROM python
WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
CMD ["python", "-u", "app.py"]
`;

let site;
let b;
let page;

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
  return stdout + stderr;
}

/** The server's page in the preview panel. @param {string} name @param {number} port */
async function preview(name, port) {
  await page.locator('#view-host').click();
  await page.getByRole('button', { name: new RegExp(`^Container ${name}, running, ${port}`) }).click();
  await page.getByRole('button', { name: `Preview port ${port}` }).click();
  return page.frameLocator('.pvbody iframe').frameLocator('iframe');
}

/** Waits until a line in the host's shell succeeds. @param {string} line */
const soon = (line) => exec(`(for i in $(seq 60); do ${line} && exit 0; sleep 1; done; exit 1)`);

test('nginx is published, and its page shows in the panel', LONG, async () => {
  await exec('docker run -d --name web -p 8081:80 nginx');
  const shown = await preview('web', 8081);
  await shown.locator('h1', { hasText: 'Welcome to nginx!' }).waitFor({ timeout: 120_000 });
  assert.match(await exec('docker logs web'), /"GET \/ HTTP\/1\.1" 200/);
  await exec('docker exec web sh -c "echo \'<h1>Mine</h1>\' >/usr/share/nginx/html/index.html; nginx -s reload"');
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await page.frameLocator('.pvbody iframe').frameLocator('iframe').locator('h1', { hasText: 'Mine' }).waitFor({ timeout: 60_000 });
});

test('redis answers by its name to another container', LONG, async () => {
  await exec('docker network create back && docker run -d --name store --network back redis');
  await soon('docker run --rm --network back redis redis-cli -h store ping');
  assert.equal(await exec('docker run --rm --network back redis redis-cli -h store incr hits'), '1\n');
  assert.equal(await exec('docker run --rm --network back redis redis-cli -h store incr hits'), '2\n');
  await exec('docker rm -f store web');
});

test('pip installs what is required, and a change of the code installs nothing again', LONG, async () => {
  await page.evaluate(async ([app, dockerfile]) => {
    const { exec, fs } = globalThis.bottleship;
    await exec('mkdir -p /root/app');
    await fs.writeFile('/root/app/app.py', app);
    await fs.writeFile('/root/app/requirements.txt', 'flask\n');
    await fs.writeFile('/root/app/Dockerfile', dockerfile);
  }, [APP, DOCKERFILE]);
  const first = await exec('docker build -t app /root/app');
  assert.match(first, /Successfully installed .*flask-/);
  await exec('sed -i s/Hello/Welcome/ /root/app/app.py');
  const second = await exec('docker build -t app /root/app');
  assert.match(second, /RUN pip install -r requirements.txt\n#\d+ CACHED/);
  const offered = await page.evaluate(() => globalThis.bottleship.exec('docker run --rm app pip install numpy'));
  assert.equal(offered.exitCode, 1);
  assert.match(offered.stdout + offered.stderr, /Looking in links: \/usr\/share\/python-wheels[^]*No matching distribution found for numpy/);
});

test('its page takes forms, keeps a cookie, follows redirects', LONG, async () => {
  await exec('docker run -d --name app -p 8080:5000 app');
  await soon('wget -qO /dev/null localhost:8080');
  const shown = await preview('app', 8080);
  await shown.locator('h1', { hasText: 'Welcome, nobody' }).waitFor({ timeout: 120_000 });
  await shown.locator('input').fill('Ada & Bob');
  await shown.getByRole('button', { name: 'Greet' }).click();
  await shown.locator('h1', { hasText: 'Welcome, Ada & Bob' }).waitFor({ timeout: 60_000 });
  const cookies = await b.context.cookies();
  assert.deepEqual(cookies, [], 'the cookie is the preview’s alone: the browser has none');
  await page.getByLabel('Path').fill('/away');
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await page.frameLocator('.pvbody iframe').frameLocator('iframe').locator('h1', { hasText: 'Welcome, Ada & Bob' }).waitFor({ timeout: 60_000 });
});

test('large bodies go there and come back, and a WebSocket is refused', LONG, async () => {
  const inner = page.frames().find((f) => /\/$/.test(f.url()) && f.parentFrame()?.url().includes('/preview/open.html'));
  assert.ok(inner);
  const got = await inner.evaluate(async () => {
    const body = new Uint8Array(2_000_000).fill(7);
    body[body.length - 1] = 9;
    const sent = await (await fetch('/size', { method: 'POST', body })).json();
    const large = await (await fetch('/large')).arrayBuffer();
    const socket = await new Promise((resolve) => {
      const ws = new WebSocket(`ws://${location.host}/live`);
      ws.onopen = () => resolve('opened');
      ws.onclose = () => resolve('closed');
    });
    return { sent, large: large.byteLength, end: new Uint8Array(large).at(-1), socket };
  });
  assert.deepEqual(got, { sent: { bytes: 2_000_000, last: 9 }, large: 3_000_000, end: 'z'.charCodeAt(0), socket: 'closed' });
  const { port } = new URL(inner.url());
  const refused = await fetch(`http://127.0.0.1:${port}/live`);
  assert.equal(refused.status, 501);
  assert.match(await refused.text(), /WebSocket/);
});

test('no violation of the policy', async () => {
  assert.deepEqual(await page.evaluate(() => globalThis.cspViolations), [], await screen(page));
});
