// See README.md here.
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const sha = (/** @type {string} */ s) => `sha256:${Array.from({ length: 8 }, (_, i) => (Math.imul([...s].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619), 2166136261 + i), 2654435761) >>> 0).toString(16).padStart(8, '0')).join('')}`;

export default async function init() {}

const BUSYBOX = [['ADD file:abc in /', 4_300_000]];
const ALPINE = [['ADD alpine-minirootfs.tar.gz / # buildkit', 7_800_000], ['CMD ["/bin/sh"]', 0]];
const NGINX = [...ALPINE, ['ENV NGINX_VERSION=1.27', 0], ['RUN /bin/sh -c apk add --no-cache nginx # buildkit', 4_400_000], ['COPY docker-entrypoint.sh / # buildkit', 1_600], ['COPY 10-listen.sh /docker-entrypoint.d # buildkit', 2_100], ['COPY 20-envsubst.sh /docker-entrypoint.d # buildkit', 3_000], ['RUN /bin/sh -c install njs modules # buildkit', 36_000_000], ['EXPOSE map[80/tcp:{}]', 0], ['CMD ["nginx" "-g" "daemon off;"]', 0]];
const REDIS = [...ALPINE, ['RUN /bin/sh -c addgroup -S redis # buildkit', 3_100], ['RUN /bin/sh -c apk add tzdata gosu # buildkit', 1_400_000], ['RUN /bin/sh -c build redis # buildkit', 32_200_000], ['WORKDIR /data', 0], ['COPY docker-entrypoint.sh /usr/local/bin/ # buildkit', 661]];
const SHOP1 = [...NGINX, ['COPY dist/ /usr/share/nginx/html # buildkit', 1_900_000], ['COPY nginx.conf /etc/nginx/conf.d/ # buildkit', 612]];
const SHOP2 = [...NGINX, ['COPY dist/ /usr/share/nginx/html # buildkit!', 2_200_000], ['COPY nginx.conf /etc/nginx/conf.d/ # buildkit', 640]];
const HELLO = [['COPY hello / # buildkit', 10_100], ['CMD ["/hello"]', 0]];

const SETTINGS = /^(ENV|CMD|EXPOSE|ENTRYPOINT|USER)/;

function image(name, steps, created) {
  const layers = steps.filter(([s]) => !SETTINGS.test(s)).map(([s, n]) => sha(s + n));
  return {
    summary: { Id: sha(`image ${name}`), RepoTags: [name], Created: created, Size: steps.reduce((t, [, n]) => t + n, 0), SharedSize: -1, Containers: -1 },
    inspect: { Id: sha(`image ${name}`), RootFS: { Type: 'layers', Layers: layers } },
    history: steps.map(([CreatedBy, Size]) => ({ Id: '<missing>', Created: created, CreatedBy, Size, Comment: '', Tags: null })).reverse(),
  };
}
function container(name, img, state, extra = {}) {
  const status = { running: 'Up 2 minutes', exited: 'Exited (0) 3 minutes ago', failed: 'Exited (137) 5 minutes ago', paused: 'Up 4 minutes (Paused)', created: 'Created' }[state];
  return { Id: sha(`container ${name}`).slice(7), Names: [`/${name}`], Image: img, ImageID: sha(`image ${img}`), Command: extra.command ?? 'sh', State: state === 'failed' ? 'exited' : state, Status: status, Ports: (extra.ports ?? []).map(([PublicPort, PrivatePort]) => ({ IP: '0.0.0.0', PublicPort, PrivatePort, Type: 'tcp' })), SizeRw: extra.size ?? 0, NetworkSettings: { Networks: Object.fromEntries((extra.networks ?? ['bridge']).map((n) => [n, {}])) }, Mounts: (extra.volumes ?? []).map(([Name, Destination]) => ({ Type: 'volume', Name, Destination })) };
}
const now = 1_790_000_000;
const SCENARIOS = {
  empty: { images: [], containers: [], networks: ['bridge', 'host', 'none'], volumes: [] },
  two: {
    images: [image('nginx:1.27-alpine', NGINX, now - 9000), image('redis:7-alpine', REDIS, now - 8000)],
    containers: [container('web', 'nginx:1.27-alpine', 'running', { command: "nginx -g 'daemon off;'", size: 1100, ports: [[8080, 80]] })],
    networks: ['bridge', 'host', 'none'],
    volumes: [],
  },
  full: {
    images: [image('alpine:3.20', ALPINE, now - 10000), image('nginx:1.27-alpine', NGINX, now - 9000), image('redis:7-alpine', REDIS, now - 8000), image('shop-web:1.0', SHOP1, now - 7000), image('shop-web:1.1', SHOP2, now - 600), image('busybox:latest', BUSYBOX, now - 90000), image('hello-world:latest', HELLO, now - 900000)],
    containers: [
      container('web-1', 'shop-web:1.1', 'running', { command: "nginx -g 'daemon off;'", size: 2, ports: [[8080, 80]], networks: ['front'] }),
      container('web-2', 'shop-web:1.1', 'paused', { command: "nginx -g 'daemon off;'", size: 2, ports: [[8081, 80]], networks: ['front'] }),
      container('cache', 'redis:7-alpine', 'running', { command: 'redis-server', networks: ['back', 'front'], volumes: [['cache-data', '/data']] }),
      container('web-old', 'shop-web:1.0', 'exited', { command: "nginx -g 'daemon off;'" }),
      container('job', 'busybox:latest', 'failed', { command: 'sh -c "sleep 1000"', size: 22_000 }),
      container('eager_turing', 'hello-world:latest', 'exited', { command: '/hello' }),
    ],
    networks: ['bridge', 'host', 'none', 'front', 'back'],
    volumes: [{ Name: 'cache-data', UsageData: { Size: 48_300_000 } }, { Name: 'old-data', UsageData: { Size: 12_000 } }],
  },
};

// Thirty images and twenty containers: five families, a few that share nothing.
SCENARIOS.many = (() => {
  const families = { alpine: ALPINE, nginx: NGINX, redis: REDIS, debian: [['ADD rootfs.tar.xz / # buildkit', 74_800_000], ['CMD ["bash"]', 0]], python: [['ADD rootfs.tar.xz / # buildkit', 74_800_000], ['RUN /bin/sh -c apt-get install ca-certificates # buildkit', 9_200_000], ['RUN /bin/sh -c install python 3.12 # buildkit', 40_600_000]] };
  const images = [];
  for (const [name, steps] of Object.entries(families)) for (let i = 0; i < 5; i++) images.push(image(i ? `${name}-app:${i}` : `${name}:latest`, i ? [...steps, [`COPY app${i} /app # buildkit`, 51_000 * i], [`RUN /bin/sh -c build ${name} ${i} # buildkit`, 2_000_000 * i]] : steps, now - 1000 * images.length));
  for (let i = 0; i < 5; i++) images.push(image(`tool-${i}:latest`, [[`COPY tool${i} / # buildkit`, 3_000_000 + i]], now - 50_000 - i));
  const states = ['running', 'running', 'paused', 'exited', 'failed'];
  const containers = Array.from({ length: 20 }, (_, i) => container(`app-${i}`, images[(i % 10) + 5].summary.RepoTags[0], states[i % 5], { command: 'serve', size: i * 1000, ports: i % 5 < 2 ? [[8000 + i, 80]] : [], networks: [['front'], ['back'], ['front', 'back']][i % 3], volumes: i % 7 ? [] : [[`data-${i}`, '/data']] }));
  return { images, containers, networks: ['bridge', 'host', 'none', 'front', 'back'], volumes: [0, 7, 14].map((i) => ({ Name: `data-${i}`, UsageData: { Size: 1e6 * (i + 1) } })) };
})();

export class BottleshipEngine {
  static async start(options, wake) {
    const self = new BottleshipEngine();
    self.wake = wake;
    self.options = options;
    if (!(options.rootfs instanceof Uint8Array)) throw new Error('no root file system');
    return self;
  }

  terms = new Map();
  next = 1;
  state = structuredClone(SCENARIOS.empty);
  files = new Map([['/root/hello/Dockerfile', encoder.encode('FROM busybox\nCOPY . /app\nRUN echo "built"\nCMD ["ls", "/app"]\n')], ['/root/hello/index.html', encoder.encode('<h1>Hello</h1>\n')], ['/root/.profile', encoder.encode('PS1="~ $ "\n')], ['/etc/hostname', encoder.encode('bottleship\n')], ['/root/photo.png', new Uint8Array([137, 80, 78, 71, 0, 1])]]);
  dirs = new Set(['/', '/root', '/root/hello', '/etc', '/tmp', '/root/empty']);
  times = new Map();
  streams = new Map();
  jobs = [];
  runs = 0;

  run() {
    this.runs++;
    for (const job of this.jobs.splice(0)) job();
    for (const t of this.terms.values()) if (t.flood) this.#floodMore(t);
    if ([...this.terms.values()].some((t) => t.flood && t.out.length < 100_000)) return 0;
    return Infinity;
  }

  #floodMore(t) {
    while (t.out.length < 100_000) t.out += `${t.n++} yes yes yes yes yes yes yes yes yes yes yes yes\r\n`;
    if (t.n > 40_000) t.flood = false;
    if (!t.flood) t.out += '\r\n~ $ ';
  }

  open(cols, rows) {
    const id = this.next++;
    this.terms.set(id, { out: '\x1b[32m~ $\x1b[0m ', line: '', cols, rows, n: 0, flood: false, exited: undefined });
    return id;
  }

  read(term, max) {
    const t = this.terms.get(term);
    if (!t?.out) return undefined;
    const part = t.out.slice(0, Math.floor(max / 3) || 1);
    t.out = t.out.slice(part.length);
    return encoder.encode(part);
  }

  write(term, data) {
    const t = this.terms.get(term);
    if (!t) return;
    for (const c of decoder.decode(data)) {
      if (c === '\x03') {
        t.flood = false;
        t.line = '';
        t.out = '^C\r\n~ $ ';
      } else if (c === '\r') {
        t.out += '\r\n';
        const { stdout, stderr, exit } = this.#line(t.line, t);
        t.line = '';
        t.out += (stdout + stderr).replaceAll('\n', '\r\n');
        if (exit !== undefined) t.exited = exit;
        else if (!t.flood) t.out += '\x1b[32m~ $\x1b[0m ';
      } else if (c === '\x7f') {
        if (t.line) t.out += '\b \b';
        t.line = t.line.slice(0, -1);
      } else {
        t.line += c;
        t.out += c === '\x1b' ? '^[' : c;
      }
    }
  }

  resize(term, cols, rows) {
    const t = this.terms.get(term);
    if (t) Object.assign(t, { cols, rows });
  }

  close(term) {
    this.terms.delete(term);
  }

  exited(term) {
    const t = this.terms.get(term);
    return t && !t.out ? t.exited : undefined;
  }

  #line(line, t) {
    const [name, ...args] = line.trim().split(/\s+/);
    const rest = args.join(' ');
    switch (name) {
      case '':
        return { stdout: '', stderr: '', code: 0 };
      case 'echo':
        return { stdout: `${rest}\n`, stderr: '', code: 0 };
      case 'stty':
        return { stdout: `${t?.rows} ${t?.cols}\n`, stderr: '', code: 0 };
      case 'yes':
        if (t) t.flood = true;
        return { stdout: '', stderr: '', code: 0 };
      case 'exit':
        return { stdout: '', stderr: '', code: 0, exit: Number(args[0] ?? 0) };
      case 'link':
        return { stdout: '\x1b]8;;https://example.com/page\x07a link\x1b]8;;\x07 \x1b]8;;javascript:alert(1)\x07a trap\x1b]8;;\x07 \x1b]2;<img src=x onerror=alert(1)>\x07\n', stderr: '', code: 0 };
      case 'runs':
        return { stdout: `${this.runs}\n`, stderr: '', code: 0 };
      case 'fail':
        this.jobs.push(() => {
          throw new Error('memory access out of bounds');
        });
        return { stdout: '', stderr: '', code: 0 };
      case 'scenario':
        this.state = structuredClone(SCENARIOS[args[0]]);
        this.#event({ Type: 'image', Action: 'pull', Actor: { ID: args[0] } });
        return { stdout: '', stderr: '', code: 0 };
      case 'churn': {
        // One more step in the life of a busy host: a container ends, one starts, an image is tagged anew.
        const n = Number(args[0]);
        const { containers, images } = this.state;
        if (!containers.length || !images.length) return { stdout: '', stderr: '', code: 1 };
        const c = containers[n % containers.length];
        const runs = c.State === 'running';
        Object.assign(c, { State: runs ? 'exited' : 'running', Status: runs ? 'Exited (0) 1 second ago' : 'Up 1 second', SizeRw: c.SizeRw + 4096 });
        this.#event({ Type: 'container', Action: runs ? 'die' : 'start', Actor: { ID: c.Id } });
        if (n % 5 === 4) {
          const gone = containers.pop();
          containers.unshift({ ...gone, Id: sha(`container ${n}`).slice(7), Names: [`/new-${n}`] });
          this.#event({ Type: 'container', Action: 'destroy', Actor: { ID: gone.Id } });
        }
        if (n % 10 === 9) this.#pull(n);
        return { stdout: '', stderr: '', code: 0 };
      }
      case 'pulled':
        this.#pull(Number(args[0]));
        return { stdout: '', stderr: '', code: 0 };
      case 'docker':
        if (args[0] === 'run') return { stdout: '', stderr: 'docker: Error response from daemon: Conflict. The container name "/web" is already in use by container "0123456789ab". You have to remove (or rename) that container to be able to reuse that name.\n', code: 125 };
        if (args[0] === 'load') return { stdout: 'Loaded image: dropped:latest\n', stderr: '', code: 0 };
        return { stdout: `double: docker ${rest}\n`, stderr: '', code: 0 };
      default:
        return { stdout: '', stderr: `sh: ${name}: not found\n`, code: 127 };
    }
  }

  #pull(n) {
    this.state.images.push(image(`pulled-${n}:latest`, [...ALPINE, [`COPY ${n} / # buildkit`, 1_500_000]], now + n));
    this.#event({ Type: 'image', Action: 'pull', Actor: { ID: `pulled-${n}:latest` } });
  }

  #event(event) {
    for (const s of this.streams.values()) s.chunk(encoder.encode(`${JSON.stringify(event)}\n`));
  }

  async exec(id, line, out) {
    const { stdout, stderr, code } = this.#line(line, null);
    if (out) {
      if (stdout) await out(1, encoder.encode(stdout));
      if (stderr) await out(2, encoder.encode(stderr));
      return { exitCode: code, stdout: '', stderr: '' };
    }
    return { exitCode: code, stdout, stderr };
  }

  async request(id, method, path, headers, body, head, chunk) {
    const answer = (status, value) => {
      head(status, [['Content-Type', 'application/json']]);
      chunk(encoder.encode(JSON.stringify(value)));
    };
    const at = path.split('?')[0];
    if (at === '/events') {
      head(200, [['Content-Type', 'application/json']]);
      return new Promise((_, reject) => this.streams.set(id, { chunk, reject }));
    }
    const img = /^\/images\/(.+)\/(json|history|get)$/.exec(at);
    if (img) {
      const i = this.state.images.find((x) => x.summary.Id === img[1] || x.summary.RepoTags.includes(img[1]));
      if (!i) return answer(404, { message: `No such image: ${img[1]}` });
      return img[2] === 'get' ? (head(200, []), chunk(new Uint8Array(1024))) : answer(200, img[2] === 'json' ? i.inspect : i.history);
    }
    if (at === '/images/json') return answer(200, this.state.images.map((i) => i.summary));
    if (at === '/containers/json') return answer(200, this.state.containers);
    if (at === '/networks') return answer(200, this.state.networks.map((Name) => ({ Name, Driver: Name === 'host' ? 'host' : Name === 'none' ? 'null' : 'bridge' })));
    if (at === '/volumes') return answer(200, { Volumes: this.state.volumes, Warnings: null });
    if (/\/top$/.test(at)) return answer(200, { Titles: ['PID', 'COMMAND', 'COMMAND'], Processes: [['7', 'nginx', 'nginx: master process'], ['31', 'nginx', 'nginx: worker process']] });
    if (/\/changes$/.test(at)) return answer(200, [{ Kind: 0, Path: '/tmp' }, { Kind: 1, Path: '/tmp/new' }, { Kind: 2, Path: '/etc/motd' }]);
    return answer(404, { message: 'page not found' });
  }

  cancel(id) {
    this.streams.get(id)?.reject(new Error('cancelled'));
    this.streams.delete(id);
  }

  async treeList(kind, name, path) {
    const item = (name, type, more) => ({ name, type, size: 0, mode: type === 'dir' ? 0o755 : 0o644, uid: 0, gid: 0, mtime: 0, target: null, opaque: false, layer: null, ...more });
    if (path === '/') return { entries: [item('bin', 'symlink', { target: 'usr/bin' }), item('etc', 'dir'), ...(kind === 'layer' ? [item('old', 'whiteout')] : [])], more: false };
    if (path === '/etc') return { entries: [item('hostname', 'file', { size: 5 })], more: false };
    throw new Error(`${path}: No such file or directory`);
  }
  async treeRead(kind, name, path, max) {
    if (path !== '/etc/hostname') throw new Error(`${path}: No such file or directory`);
    return { data: encoder.encode('host\n').subarray(0, max).slice(), size: 5 };
  }
  async readFile(path) {
    const data = this.files.get(path);
    if (!data) throw new Error(`${path}: No such file or directory`);
    return data.slice();
  }
  async writeFile(path, data) {
    this.files.set(path, data.slice());
    this.times.set(path, Date.now());
  }
  async list(path) {
    if (!this.dirs.has(path)) throw new Error(`${path}: No such file or directory`);
    const under = (p) => p !== '/' && (p.slice(0, p.lastIndexOf('/')) || '/') === path;
    const name = (p) => p.slice(p.lastIndexOf('/') + 1);
    return [
      ...[...this.dirs].filter(under).map((p) => ({ name: name(p), type: 'dir', size: 0, mode: 0o755, mtime: 0 })),
      ...[...this.files].filter(([p]) => under(p)).map(([p, d]) => ({ name: name(p), type: 'file', size: d.length, mode: 0o644, mtime: this.times.get(p) ?? 0 })),
    ];
  }
  async makeDir(path) {
    this.dirs.add(path);
  }
  async remove(path) {
    if (!this.files.delete(path) && !this.dirs.delete(path)) throw new Error(`${path}: No such file or directory`);
  }
  async rename(from, to) {
    this.files.set(to, this.files.get(from));
    this.files.delete(from);
  }
  async reset() {
    this.state = structuredClone(SCENARIOS.empty);
  }
  async save() {}
  memoryUsed() {
    return 0;
  }
}

export class BottleshipWorld {
  static of() {
    return new BottleshipWorld();
  }
}
