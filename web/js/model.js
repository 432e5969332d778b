// The picture's model: what the Engine API says, as a forest of layers with images and containers standing on them.
// Pure functions; live.js fetches.

/**
 * @typedef {'running' | 'paused' | 'exited' | 'failed' | 'created' | 'changing'} ContainerState
 *
 * @typedef {object} Layer a layer as it is stored: one diff on one chain of parents
 * @property {string} key the diff IDs from the base to here: two layers with one key are the same layer
 * @property {string} diffId
 * @property {string} name the instruction that made it, shortened
 * @property {string} createdBy
 * @property {number} size bytes
 * @property {Layer | null} parent
 * @property {Layer[]} children
 * @property {Image[]} images whose top layer this is
 * @property {number} shared number of images that stand on it
 * @property {Fold} [fold] images on it that are not drawn (picture/fold.js)
 *
 * @typedef {{ key: string, name: string, images: Image[], size: number }} Fold images drawn as one line; `size`: bytes of what only they have
 *
 * @typedef {object} Image
 * @property {string} id
 * @property {string[]} names tags, or one `<none>`
 * @property {number} size
 * @property {number} created seconds since 1970
 * @property {Layer | null} top null for an image without layers
 * @property {Layer[]} layers base first
 * @property {Container[]} containers
 *
 * @typedef {object} Container
 * @property {string} id
 * @property {string} name
 * @property {ContainerState} state
 * @property {string} status Docker's words
 * @property {number | null} exitCode
 * @property {string} command
 * @property {number} sizeRw bytes of the writable layer
 * @property {string} imageId
 * @property {string} imageName
 * @property {string[]} ports `8080→80`
 * @property {string[]} networks
 * @property {{ kind: string, name: string, destination: string }[]} mounts
 *
 * @typedef {object} Model
 * @property {Layer[]} bases
 * @property {Image[]} images
 * @property {Container[]} containers
 * @property {Container[]} homeless containers whose image is gone
 * @property {{ name: string, driver: string, containers: Container[] }[]} networks those with containers, and all that someone made
 * @property {{ name: string, size: number, containers: Container[] }[]} volumes
 * @property {number} layersSize bytes of all layers, each counted once
 * @property {number} imagesSize what `docker images` adds up to
 * @property {Fold} [fold] images without a family that are not drawn
 *
 * @typedef {{ Id: string, RepoTags?: string[] | null, Size: number, Created: number }} ImageSummary
 * @typedef {{ layers: string[], history: { CreatedBy?: string, Size?: number, Comment?: string }[] }} ImageDetail
 */

/** Instructions that only change an image's settings. */
const SETTINGS = /^(ENV|CMD|ENTRYPOINT|EXPOSE|LABEL|USER|VOLUME|STOPSIGNAL|ARG|HEALTHCHECK|ONBUILD|MAINTAINER|SHELL)\b/;

/** The instruction in a history entry's CreatedBy. @param {string} createdBy */
export function instruction(createdBy) {
  let text = createdBy.replace(/\s+/g, ' ').trim().replace(/ # buildkit$/, '');
  const nop = /^\/bin\/sh -c #\(nop\)\s*(.*)$/.exec(text);
  if (nop) text = nop[1];
  else text = text.replace(/^RUN (\|\d+ (\S+=\S* )*)?\/bin\/sh -c /, 'RUN ').replace(/^(\|\d+ (\S+=\S* )*)?\/bin\/sh -c /, 'RUN ');
  return text.replace(/^(ADD|COPY) (?:file|dir|multi):[0-9a-f]{6,} in /, '$1 ');
}

/**
 * Pairs an image's layers with its history, which also has the instructions that made no layer.
 * @param {ImageDetail} detail
 * @returns {{ diffId: string, createdBy: string, size: number }[]} base first
 */
export function pairHistory({ layers, history }) {
  const entries = history.toReversed().map((e) => {
    const text = instruction(e.CreatedBy ?? '');
    const size = e.Size ?? 0;
    const rank = size > 0 ? 3 : SETTINGS.test(text) ? 0 : /^(COPY|ADD)\b/.test(text) ? 2 : 1;
    return { createdBy: text, size, rank };
  });
  let surplus = entries.length - layers.length;
  const kept = new Set(entries);
  for (const rank of [0, 1, 2, 3]) {
    for (const e of entries.filter((x) => x.rank === rank)) {
      if (surplus <= 0) break;
      kept.delete(e);
      surplus--;
    }
  }
  const made = [...kept];
  return layers.map((diffId, i) => ({ diffId, createdBy: made[i]?.createdBy ?? '', size: made[i]?.size ?? 0 }));
}

/** @param {string} createdBy @param {string} diffId */
function layerName(createdBy, diffId) {
  if (!createdBy || createdBy === '<missing>') return `layer ${diffId.replace(/^sha256:/, '').slice(0, 8)}`;
  return createdBy.replace(/^RUN (set -[a-z]+;? ?(&& )?)?/, '').replace(/^(COPY|ADD) (--\S+ )+/, '$1 ');
}

/** @param {any} c @returns {ContainerState} */
function stateOf(c) {
  const code = /^Exited \((-?\d+)\)/.exec(c.Status ?? '')?.[1];
  switch (c.State) {
    case 'running':
      return 'running';
    case 'paused':
      return 'paused';
    case 'created':
      return 'created';
    case 'exited':
      return code && code !== '0' ? 'failed' : 'exited';
    case 'dead':
      return 'failed';
    default:
      return 'changing';
  }
}

/** @param {any} c one of /containers/json @returns {Container} */
function container(c) {
  const code = /^Exited \((-?\d+)\)/.exec(c.Status ?? '')?.[1];
  const ports = (c.Ports ?? []).map((/** @type {any} */ p) =>
    p.PublicPort ? `${p.PublicPort}→${p.PrivatePort}${p.Type === 'tcp' ? '' : `/${p.Type}`}` : '',
  );
  return {
    id: c.Id,
    name: String(c.Names?.[0] ?? c.Id.slice(0, 12)).replace(/^\//, ''),
    state: stateOf(c),
    status: c.Status ?? '',
    exitCode: code === undefined ? null : Number(code),
    command: c.Command ?? '',
    sizeRw: c.SizeRw ?? 0,
    imageId: c.ImageID ?? '',
    imageName: c.Image ?? '',
    ports: [...new Set(/** @type {string[]} */ (ports.filter(Boolean)))],
    networks: Object.keys(c.NetworkSettings?.Networks ?? {}),
    mounts: (c.Mounts ?? []).map((/** @type {any} */ m) => ({ kind: m.Type, name: m.Name || m.Source || '', destination: m.Destination ?? '' })),
  };
}

/**
 * @param {{ images: ImageSummary[], details: Map<string, ImageDetail>, containers: any[], networks: any[], volumes: any[] }} said
 * @returns {Model}
 */
export function build(said) {
  /** @type {Map<string, Layer>} */
  const layers = new Map();
  /** @type {Layer[]} */
  const bases = [];
  const containers = said.containers.map(container);
  const images = said.images
    .map((summary) => {
      const tags = (summary.RepoTags ?? []).filter((t) => t !== '<none>:<none>');
      /** @type {Image} */
      const image = {
        id: summary.Id,
        names: tags.length ? tags : ['<none>'],
        size: summary.Size,
        created: summary.Created,
        top: null,
        layers: [],
        containers: containers.filter((c) => c.imageId === summary.Id),
      };
      let key = '';
      for (const step of pairHistory(said.details.get(summary.Id) ?? { layers: [], history: [] })) {
        key += `${key && ' '}${step.diffId}`;
        let layer = layers.get(key);
        if (!layer) {
          layer = { key, ...step, name: layerName(step.createdBy, step.diffId), parent: image.top, children: [], images: [], shared: 0 };
          layers.set(key, layer);
          (image.top?.children ?? bases).push(layer);
        }
        layer.shared++;
        image.layers.push(layer);
        image.top = layer;
      }
      image.top?.images.push(image);
      return image;
    })
    .sort((a, b) => a.created - b.created || (a.names[0] < b.names[0] ? -1 : 1));
  for (const base of bases) nameBase(base);
  const known = new Set(images.map((i) => i.id));
  const used = (/** @type {(c: Container) => boolean} */ f) => containers.filter(f);
  return {
    bases,
    images,
    containers,
    homeless: containers.filter((c) => !known.has(c.imageId)),
    networks: said.networks
      .map((n) => ({ name: n.Name, driver: n.Driver, containers: used((c) => c.networks.includes(n.Name) && c.state !== 'exited' && c.state !== 'failed' && c.state !== 'created') }))
      .filter((n) => n.containers.length || !['bridge', 'host', 'none'].includes(n.name)),
    volumes: said.volumes.map((v) => ({
      name: v.Name,
      size: v.UsageData?.Size ?? -1,
      containers: used((c) => c.mounts.some((m) => m.kind === 'volume' && m.name === v.Name)),
    })),
    layersSize: [...layers.values()].reduce((sum, l) => sum + l.size, 0),
    imagesSize: images.reduce((sum, i) => sum + i.size, 0),
  };
}

/** A base is better known by the image that is nothing but it. @param {Layer} base */
function nameBase(base) {
  const own = base.images.find((i) => i.names[0] !== '<none>');
  if (own) base.name = `${own.names[0].replace(/:latest$/, '')}${base.shared > 1 ? ' base' : ''}`;
}

/**
 * A run of small layers drawn as one slab, or one layer.
 * @typedef {{ layers: Layer[], size: number, top: Layer }} Slab
 */

/**
 * Joins a layer with those above it while each is small, stands alone and carries no image.
 * @param {Layer} layer @param {number} [small] bytes
 * @returns {Slab}
 */
export function slab(layer, small = 1e6) {
  const run = [layer];
  let top = layer;
  while (top.size < small && !top.images.length && !top.fold && top.children.length === 1 && top.children[0].size < small && top.children[0].shared === top.shared) {
    top = top.children[0];
    run.push(top);
  }
  return { layers: run, size: run.reduce((sum, l) => sum + l.size, 0), top };
}

/** An image is as wide as its containers side by side. @param {Image} image */
export const imageColumns = (image) => Math.max(1, image.containers.length);

/** How many columns a layer's tree needs: its images' and those of each tree above. @param {Layer} layer @returns {number} */
export function columns(layer) {
  return (layer.fold ? 1 : 0) + layer.images.reduce((n, i) => n + imageColumns(i), 0) + layer.children.reduce((n, c) => n + columns(c), 0);
}

/** One sentence for those who don't see the picture. @param {Model} m @param {(bytes: number) => string} size */
export function summary(m, size) {
  const running = m.containers.filter((c) => c.state === 'running').length;
  if (!m.images.length && !m.containers.length) return 'The host is empty: no images, no containers.';
  const plural = (/** @type {number} */ n, /** @type {string} */ w) => `${n} ${w}${n === 1 ? '' : 's'}`;
  return `${plural(m.images.length, 'image')}, ${plural(m.containers.length, 'container')} of which ${running} running, ${size(m.layersSize)} in layers.`;
}
