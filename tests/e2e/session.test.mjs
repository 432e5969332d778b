// Links that hold a session: there and back, and what strangers may put into one.
import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import { test } from 'node:test';
import { CAPS, checked, fromFragment, isSession, seen, toFragment } from '../../web/js/session.js';

const pack = (text) => `#session=${deflateRawSync(Buffer.from(text)).toString('base64url')}`;
const session = (log, v = 1) => pack(JSON.stringify({ v, log }));

test('a log goes into a link and comes back', async () => {
  const log = [{ run: 'docker pull busybox' }, { write: '/root/app/Dockerfile', text: 'FROM busybox\nRUN echo "ü"\n' }, { run: 'echo a \\\necho b' }];
  const fragment = await toFragment(log);
  assert.ok(isSession(fragment) && /^#session=[\w-]+$/.test(fragment), fragment);
  assert.deepEqual(await fromFragment(fragment), log);
  assert.equal(isSession('#lesson=2'), false);
});

test('what is no session is refused in words', async () => {
  const refused = async (fragment, why) => assert.rejects(fromFragment(fragment), why);
  await refused('#session=', /not a session/);
  await refused('#session=<script>', /not a session/);
  await refused(`#session=${'A'.repeat(CAPS.link + 1)}`, /not a session/);
  await refused('#session=AAAA', /damaged/);
  await refused((await toFragment([{ run: 'docker ps' }])).slice(0, -6), /damaged/);
  await refused(pack('{'), /damaged/);
  await refused(pack('null'), /not an object/);
  await refused(session([], 2), /version 2/);
  await refused(session('docker ps'), /steps/);
  await refused(session(Array(CAPS.entries + 1).fill({ run: 'ls' })), /steps/);
  for (const step of [{}, null, 7, { run: 7 }, { run: 'a'.repeat(CAPS.run + 1) }, { run: 'ls', also: 1 }, { run: 'ls\x03' }, { run: 'ls\r' }, { run: '\x1b[201~ls' }, { run: 'a\x9bb' }, { write: 'relative', text: '' }, { write: '/a\0b', text: '' }, { write: '/a' }, { write: '/a', text: 'x'.repeat(CAPS.text + 1) }]) {
    await refused(session([step]), /step 1/);
  }
  await refused(pack('{"v":1,"log":[{"run":"ls","__proto__":{"x":1}}]}'), /step 1/);
  assert.equal({}.x, undefined);
});

test('a bomb is stopped where it is opened', async () => {
  const bomb = `#session=${deflateRawSync(Buffer.alloc(50_000_000)).toString('base64url')}`;
  await assert.rejects(fromFragment(bomb.length > CAPS.link ? pack(' '.repeat(CAPS.bytes + 10)) : bomb), /more than 256000 bytes|too long/);
  await assert.rejects(fromFragment(pack(' '.repeat(5_000_000))), /more than 256000 bytes/);
});

test('a session too long for a link says so', async () => {
  const noise = Array.from({ length: 190 }, (_, i) => ({ run: `echo ${Array.from({ length: 40 }, (_, j) => ((i * 7919 + j * 104729) ** 2 % 1e9).toString(36)).join('')}` }));
  await assert.rejects(toFragment(noise), /too long for a link/);
  assert.throws(() => checked({ v: 1, log: [{ run: 'x', write: '/y', text: '' }] }), /step 1/);
});

test('characters that are not seen become marks', () => {
  assert.equal(seen('ls \u202etxt.exe\u200b'), 'ls ⟨U+202E⟩txt.exe⟨U+200B⟩');
  assert.equal(seen('docker run ü 漢'), 'docker run ü 漢');
});
