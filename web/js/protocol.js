/**
 * The messages between the page and the worker that holds the Docker host. This file is their one description; both
 * sides import its types. All bytes are `Uint8Array`s whose buffers are transferred, never copied.
 *
 * One exchange:
 *   page → boot        → worker fetches the engine, takes the store's lock, starts, posts `state` until it is `ready`
 *   page → open        → worker opens a pty with a shell on it and posts `out` as it speaks, `closed` when it ends
 *   page → call, api   → worker posts `result` or `failed`; for `api` first `head`, then `chunk`s
 *   page → exec        → as `call`; with `stream` first `piece`s of the line's output, each answered by `taken`
 * The page answers every `out` with `ack`: what is not acknowledged (at most WINDOW bytes a terminal) is not read from
 * the pty, so that a program that prints without end waits instead of filling memory. The same holds for `piece`.
 * Events come unasked: `event` with a name and a detail (Events).
 *
 * @typedef {{ t: 'boot', store: string, steal: boolean, site: string, kept: boolean }} Boot
 *   `site`: the address whose registry is asked first. `store`: the IndexedDB database's name, empty to keep nothing. `steal`: take the store from another tab that has it open.
 *   `kept`: the engine comes from this device, too soon for reports of progress.
 * @typedef {{ t: 'open', term: number, cols: number, rows: number }} Open
 * @typedef {{ t: 'in', term: number, data: Uint8Array }} Input
 * @typedef {{ t: 'resize', term: number, cols: number, rows: number }} Resize
 * @typedef {{ t: 'close', term: number }} Close  hangs up the terminal: its shell gets SIGHUP
 * @typedef {{ t: 'ack', term: number, bytes: number }} Ack
 * @typedef {{ t: 'call', id: number, name: keyof Calls, args: unknown[] }} Call
 * @typedef {{ t: 'api', id: number, method: string, path: string, headers: [string, string][], body: Uint8Array | null }} Api
 *   one request of the Docker Engine API
 * @typedef {{ t: 'exec', id: number, line: string, stream: boolean }} Exec  runs a line in a shell of the host, standard
 *   input empty; answered by an ExecResult. `stream`: the output comes as `piece`s and not in the result.
 * @typedef {{ t: 'taken', id: number, bytes: number }} Taken
 * @typedef {{ t: 'cancel', id: number }} Cancel  the answer to `api` is not wanted any more; the processes of `exec` are
 *   asked to end (SIGTERM), and it is answered when they did
 * @typedef {Boot | Open | Input | Resize | Close | Ack | Call | Api | Exec | Taken | Cancel} ToWorker
 *
 * @typedef {{ t: 'state', state: 'starting' | 'ready' | 'taken' | 'lost' | 'stopped', message?: string, fresh?: boolean, kept?: boolean }} State
 *   `taken`: another tab has the store. `lost`: another tab took it. `stopped`: the engine failed, `message` says how.
 *   With `ready`: `fresh`, nothing was saved before; `kept`, whether anything will be.
 * @typedef {{ t: 'out', term: number, data: Uint8Array }} Output
 * @typedef {{ t: 'closed', term: number, exitCode: number }} Closed
 * @typedef {{ t: 'result', id: number, value: unknown }} Result  for `api`: the end of the body
 * @typedef {{ t: 'failed', id: number, message: string }} Failed
 * @typedef {{ t: 'head', id: number, status: number, headers: [string, string][] }} Head
 * @typedef {{ t: 'chunk', id: number, data: Uint8Array }} Chunk
 * @typedef {{ t: 'piece', id: number, stream: 'stdout' | 'stderr', data: Uint8Array }} Piece
 * @typedef {{ t: 'event', name: keyof Events, detail: unknown }} Event
 * @typedef {State | Output | Closed | Result | Failed | Head | Chunk | Piece | Event} FromWorker
 *
 * @typedef {object} ExecResult
 * @property {number} exitCode
 * @property {string} stdout
 * @property {string} stderr
 * @property {number} ms wall time
 *
 * @typedef {object} BuildStep a step of a build, when it is done; a step that fails has none
 * @property {number} build number of the build, from 1 for the first since the host started
 * @property {string[]} tags names that the build gives the image: `shop:1.0`
 * @property {number} step its number, from 1
 * @property {number} total how many steps the build has
 * @property {string} name the instruction as the build's progress names it
 * @property {[number, number] | null} lines first and last line in the Dockerfile
 * @property {{ outcome: 'hit' } | { outcome: 'none' } | { outcome: 'miss', detail: string,
 *   reason: 'disabled' | 'earlierStep' | 'files' | 'buildArgument' | 'instruction' | 'newBase' }} cache
 *   `hit`: it was done before. `none`: the cache has nothing to do with it. `miss`: done anew; which input changed, and
 *   the same in words.
 * @property {string} result chain id of the layer (BuildKit) or id of the image (classic) that it made or found
 *
 * @typedef {object} Events
 * @property {BuildStep} build-step
 * @property {{ loaded: number, total: number }} loading bytes of the engine that have come, uncompressed
 *
 * @typedef {{ layer: string } | { image: string } | { container: string }} TreeOf
 *   what is looked into: a layer alone by its diff id or chain id, with its whiteouts; an image by name or id, its
 *   layers joined; a container by name or id, its image's layers and its own changes joined
 *
 * @typedef {object} TreeEntry
 * @property {string} name
 * @property {'file' | 'dir' | 'symlink' | 'whiteout' | 'other'} type `whiteout` (in a layer): what is so called below is
 *   removed
 * @property {number} size bytes
 * @property {number} mode permission bits
 * @property {number} uid
 * @property {number} gid
 * @property {number} mtime milliseconds since 1970
 * @property {string | null} target where a symbolic link points
 * @property {boolean} opaque (in a layer) a directory that hides what the layers below have in its place
 * @property {string | null} layer diff id of the topmost layer that has it; null for what is a container's own
 *
 * @typedef {object} Entry a directory's entry
 * @property {string} name
 * @property {'file' | 'dir' | 'symlink' | 'other'} type
 * @property {number} size bytes
 * @property {number} mode permission bits
 * @property {number} mtime milliseconds since 1970
 *
 * @typedef {object} Calls what `call` can ask, with arguments and answer; paths are absolute, in the host's file system
 * @property {(of: TreeOf, path: string, max: number) => { entries: TreeEntry[], more: boolean }} treeList
 *   a directory's entries by name, at most `max` of them (and 10 000); `more`: there are more. Paths are absolute and
 *   taken literally, no link is followed.
 * @property {(of: TreeOf, path: string, max: number) => { data: Uint8Array, size: number }} treeRead the first `max`
 *   bytes (at most 16 MiB) of a regular file, and how many it has
 * @property {(path: string) => Uint8Array} readFile
 * @property {(path: string, data: Uint8Array) => void} writeFile creates or replaces, keeping an existing file's mode
 * @property {(path: string) => Entry[]} list
 * @property {(path: string) => void} makeDir
 * @property {(path: string) => void} remove a file or an empty directory
 * @property {(from: string, to: string) => void} rename
 * @property {() => void} reset forgets everything stored; the worker is of no use afterwards
 * @property {(verb: string, args: unknown[]) => { value: any, progress: string }} lesson the lesson that is taken (lessonhost.js)
 * @property {() => void} save writes what is not written yet
 * @property {() => { bytes: number, used: number }} memory bytes that the engine has taken from the browser, and those in
 *   use
 * @property {(port: number, method: string, data: Uint8Array) => import('./preview/http.js').Response} exchange sends an
 *   HTTP request to a port of the host
 * @property {() => { id: number, parent: number | null, alive: number[], bytes: number }} keep keeps the host as it is, as a
 *   step after the one where it is; `alive`: all steps that can be gone to, `bytes`: what they hold together
 * @property {(step: number) => void} go makes the host what it was at a step
 * @property {() => Uint8Array} export everything stored, as a tar (export.js)
 *
 * What the worker needs of the engine (wasm-bindgen's class in web/src/lib.rs; tests/e2e/double has another):
 * @typedef {object} Engine
 * @property {(instructions: number) => number} run
 *   runs at most so many guest instructions. Answers 0 (more to do now), Infinity (nothing to do until input comes), or
 *   the ms until there is.
 * @property {(cols: number, rows: number) => number} open
 * @property {(term: number, max: number) => Uint8Array | undefined} read output of a terminal, if there is any
 * @property {(term: number, data: Uint8Array) => void} write
 * @property {(term: number, cols: number, rows: number) => void} resize
 * @property {(term: number) => void} close
 * @property {(term: number) => number | undefined} exited the exit code once the shell has ended and all was read
 * @property {(id: number, line: string, out?: (fd: 1 | 2, data: Uint8Array) => Promise<void> | undefined) =>
 *   Promise<{ exitCode: number, stdout: string, stderr: string }>} exec with `out` the output goes there, and the
 *   engine waits for the promise before it reads on
 * @property {(kind: string, name: string, path: string, max: number) => Promise<{ entries: TreeEntry[], more: boolean }>} treeList
 * @property {(kind: string, name: string, path: string, max: number) => Promise<{ data: Uint8Array, size: number }>} treeRead
 * @property {(id: number, method: string, path: string, headers: [string, string][], body: Uint8Array | undefined,
 *   head: (status: number, headers: [string, string][]) => void, chunk: (data: Uint8Array) => void) => Promise<void>} request
 * @property {(id: number) => void} cancel
 * @property {(id: number, port: number, data: Uint8Array, chunk: (data: Uint8Array) => boolean) => Promise<void>} exchange
 *   `chunk` answers true when it has enough
 * @property {(path: string) => Promise<Uint8Array>} readFile
 * @property {(path: string, data: Uint8Array) => Promise<void>} writeFile
 * @property {(path: string) => Promise<Entry[]>} list
 * @property {(path: string) => Promise<void>} makeDir
 * @property {(path: string) => Promise<void>} remove
 * @property {(from: string, to: string) => Promise<void>} rename
 * @property {() => Promise<void>} reset
 * @property {() => Promise<void>} save writes what is not written yet
 * @property {() => number} memoryUsed bytes of memory in use
 *
 * @typedef {object} EngineClass
 * @property {(options: { store: string, rootfs?: Uint8Array, site: string, buildStep?: (step: BuildStep) => void },
 *   wake: () => void) => Promise<Engine>} start `wake` is called when something became runnable; `site` has a registry
 *   at /v2/
 */

/** Bytes of a terminal's output that may be on their way to the page. */
export const WINDOW = 256 * 1024;

/** Terminal sizes outside are clamped. */
export const SIZE = { cols: [2, 500], rows: [1, 300] };
