import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CAUSES, chunkWords, sentence, timeLeft } from '../pure/sentences.js';
import { transfer } from './transfer.js';

const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'));

test('each cause of the interface has words and a next step', () => {
  assert.deepEqual(Object.keys(CAUSES).sort(), [...document.components.schemas.Cause.enum].sort());
  for (const [because, next] of Object.values(CAUSES)) assert.ok(because && next);
});

test('each state of a share and a fetch has a sentence', () => {
  for (const state of document.components.schemas.State.enum) {
    for (const kind of ['share', 'fetch']) {
      const [tone, word, because] = sentence(transfer({ state, kind, cause: state === 'waiting' ? 'schedule' : null }));
      assert.ok(tone && word && because, `${kind} ${state}`);
    }
  }
});

test('a running fetch tells its rate and the peers that send', () => {
  assert.deepEqual(sentence(transfer({})), ['moves', 'Fetches', '2 KiB/s from 1 peer', '']);
  const share = transfer({ kind: 'share', up_rate: 1024, peers: [{ up_rate: 512 }, { up_rate: 512 }] });
  assert.equal(sentence(share)[2], '1 KiB/s to 2 peers');
});

test('a standstill says why and what to do', () => {
  const [tone, word, because, next] = sentence(transfer({ cause: 'no-source' }));
  assert.deepEqual([tone, word, because], ['waits', 'Nothing moves', 'no connected peer has what is missing']);
  assert.match(next, /offer/);
  assert.match(sentence(transfer({ kind: 'share', cause: 'choked' }))[2], /upload slot/);
});

test('a failure says its own words', () => {
  const problem = { error: 'the disk is full', hint: 'free room', cause: null, code: 9 };
  assert.deepEqual(sentence(transfer({ state: 'failed', problem })), ['fails', 'Failed', 'the disk is full', 'free room']);
});

test('the time left is told only where it can be', () => {
  assert.equal(timeLeft(transfer({ eta_seconds: 90 })), 'about 1 min left');
  assert.equal(timeLeft(transfer({ eta_seconds: 0 })), 'about 0 s left');
  assert.equal(timeLeft(transfer({ missing_unheld: 7 })), '7 chunks that no connected peer has');
  assert.equal(timeLeft(transfer({})), 'time left unknown');
  assert.equal(timeLeft(transfer({ kind: 'share' })), '');
  assert.equal(timeLeft(transfer({ state: 'done' })), '');
});

test('chunks are counted in words', () => {
  const words = chunkWords(transfer({ chunks_total: 4096, chunks_have: 3120, chunks_in_flight: 12, missing_unheld: 7 }));
  assert.equal(words, '3,120 of 4,096 chunks proven, 12 on their way, 7 that no connected peer has.');
  assert.equal(chunkWords(transfer({ chunks_total: 3, chunks_have: 3 })), 'All 3 chunks are proven.');
  assert.equal(chunkWords(transfer({})), 'The chunks are not known yet.');
});
