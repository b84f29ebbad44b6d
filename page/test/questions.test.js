import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binding, dayWords, ratesWords, week } from '../pure/hours.js';
import { cacheParts, choices, eviction, fit, matches } from '../pure/library.js';
import { fields, provenance, signature, signer, toAccept } from '../pure/manifest.js';
import { means, polylines, top } from '../pure/plot.js';
import { readQr } from '../pure/qr.js';
import { report, shortened, timeParts } from '../pure/report.js';
import { transfer } from './transfer.js';

const entry = (changes) => ({ swarm_id: 'a', byte_count: 10, cached: true, path: '/x', pinned: false, active: false, used_utc: '2026-01-01', ...changes });

test('eviction takes the least recently used that nothing keeps', () => {
  const entries = [entry({ id: 1, used_utc: '2026-03' }), entry({ id: 2, used_utc: '2026-01', pinned: true }), entry({ id: 3, used_utc: '2026-02' }), entry({ id: 4, cached: false }), entry({ id: 5, swarm_id: 'b', used_utc: '2025' })];
  const shown = eviction(entries, [transfer({ swarm_id: 'b' })], 30);
  assert.deepEqual([shown.taken.map((it) => it.id), shown.held], [[3], 30]);
  assert.deepEqual(eviction(entries, [], 0).taken.map((it) => it.id), [5, 3, 1]);
  assert.deepEqual(cacheParts(entries), { pinned: 10, active: 0, evictable: 30 });
});

test('a model fits, does not, or cannot be told', () => {
  const checks = (...outcomes) => outcomes.map((outcome) => ({ outcome }));
  assert.equal(fit({ fits: false, checks: checks('fail') })[1], 'does not fit');
  assert.equal(fit({ fits: true, checks: checks('pass', 'unknown') })[1], 'unknown');
  assert.equal(fit({ fits: true, checks: checks('pass') })[1], 'fits');
  assert.equal(fit({ fits: true, checks: [] })[1], 'needs nothing');
  assert.ok(matches('tiny  ready', 'TinyLM', 'ready') && !matches('tiny x', 'TinyLM') && matches('', 'a'));
});

test('the first window that holds counts, also over midnight', () => {
  const night = { from: 22, to: 7, up: null, down: null, paused: false };
  const noon = { from: 12, to: 13, paused: true };
  const [hours] = week({ up: 5, down: null, schedule: [night, noon] });
  assert.deepEqual([hours[23], hours[0], hours[6], hours[12]], [night, night, night, noon]);
  assert.equal(hours[7].up, 5);
  assert.equal(ratesWords(hours[12]), 'nothing moves');
});

test('a window over midnight belongs to the day on which it begins', () => {
  const friday = { from: 22, to: 7, days: ['fri'], up: null, down: null, paused: true };
  const days = week({ up: 1024, down: null, schedule: [friday] });
  assert.deepEqual(days.map((hours) => [hours[6], hours[23]].map((it) => it.paused)).slice(3), [[false, false], [false, true], [true, false], [false, false]]);
  assert.equal(dayWords(days[5]), '0 to 7: nothing moves; 7 to 24: down no limit, up 1 KiB/s');
});

test('a limit binds where something waits for it or it is reached', () => {
  const status = { now: { up: 100, down: null, paused: false } };
  assert.deepEqual([...binding(status, [transfer({ kind: 'share', up_rate: 95 })])], ['up']);
  assert.deepEqual([...binding(status, [transfer({ kind: 'share', up_rate: 50 })])], []);
  assert.deepEqual([...binding(status, [transfer({ kind: 'share', cause: 'rate-limit' })])], ['up']);
  assert.deepEqual([...binding(status, [transfer({ kind: 'share', cause: 'choked' })])], ['slots']);
});

test('a manifest is read as far as its user needs it', () => {
  const said = fields('model.id=x\r\n# note=1\nlicense.route=/l\nlicense.spdx=MIT\nevidence.0.kind=e\nevidence.0.route=/e=1\nevidence.0.sha256=none\nartifact.byte_count=1024\npublisher.key_id=none\n');
  assert.equal(said.get('evidence.0.route'), '/e=1');
  assert.equal(signer(said), 'unsigned');
  assert.deepEqual(provenance(said).slice(0, 2), [['License', 'MIT, /l'], ['Evidence', 'e: /e=1, without a SHA-256']]);
});

test('another signer is an alarm, and accepted by name alone', () => {
  const known = [{ first_seen_unix: 1780000000 }];
  assert.deepEqual(signature({ standing: 'known', known }), { words: 'signed by the key known since 2026-05-28', isAlarm: false });
  assert.equal(toAccept({ standing: 'changed', key: 'k', known }), 'k');
  assert.equal(toAccept({ standing: 'signature-missing', key: null, known }), 'unsigned');
  assert.equal(toAccept({ standing: 'pin-mismatch', key: 'k', known: [] }), null);
  assert.ok(signature({ standing: 'pin-mismatch', known: [] }).isAlarm && signature(null).isAlarm);
});

test('a plot has gaps where nothing ran, and a round scale', () => {
  assert.deepEqual(polylines([0, 10, null, 5, null], 400, 100, 10), ['0,100 100,0', '300,50']);
  assert.deepEqual([0, 1025, 900 * 1024].map(top), [1024, 2048, 1024 * 1024]);
  assert.deepEqual(means([1, 3, null, null], 2), [2, null]);
});

test('of a QR code only its modules are taken', () => {
  const svg = '<svg viewBox="0 0 9 9"><rect width="100%" height="100%" fill="#ffffff"/><path d="M1 1h1v1h-1z" fill="#000"/><script>x</script></svg>';
  assert.deepEqual(readQr(svg), { box: '0 0 9 9', path: 'M1 1h1v1h-1z' });
  assert.equal(readQr('<svg width="9" height="9"><rect x="1" y="2" width="1" height="1"/></svg>').path, 'M1 2h1v1h-1z');
  assert.equal(readQr('<html>'), null);
  assert.equal(readQr('<svg viewBox="0 0 9 9"><path d="url(javascript:)"/></svg>')?.path.includes('java'), false);
});

test('a report names no peer, address or home', () => {
  const text = `${'a2'.repeat(26)} ${'0f'.repeat(32)} mm1${'z'.repeat(60)} 192.168.1.20:4433 [2001:db8::1:2]:4433 127.0.0.1 /home/alice/models`;
  assert.equal(shortened(text), 'a2a2a2a2… 0f0f0f0f… mm1… (address):4433 (address):4433 127.0.0.1 /home/(user)/models');
  const whole = report({ version: '0.1.0', started_utc: 'now' }, [{ outcome: 'warn', name: 'space', detail: 'low', hint: 'prune' }], [transfer({})]);
  assert.ok(!whole.includes('tinylm') && whole.includes('hint: prune'));
});

test('time that was not idle is time in which bytes moved', () => {
  assert.deepEqual(timeParts([transfer({ idle_seconds: { choked: 30, disk: 0.5, quota: 40 } })]), [['', 29.5], ['quota', 40], ['choked', 30]]);
});

test('folders and models can be chosen, manifests and the like cannot', () => {
  const names = (name) => choices({ roots: ['/a'], more: false, entries: [{ name, path: `/a/${name}`, is_dir: name === 'b.minimodel.d', bytes: 1 }] }).length;
  assert.deepEqual(['m.slm', 'm.gguf', 'm.safetensors', 'm.onnx', 'b.minimodel.d', 'm.minimodel', 'slm', 'm.SLM'].map(names), [1, 1, 1, 1, 1, 0, 0, 0]);
});
