import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellWords, chunksOf, decode, kind, runs } from '../pure/cells.js';

const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const map = (have, coming, holders, chunks = have.length) =>
  decode({ chunks, chunk_bytes: 64, cells: have.length, have: base64(have), in_flight: base64(coming), least_holders: base64(holders) });

test('a cell shows what stands out most', () => {
  const cells = map([255, 0, 0, 0, 100], [0, 255, 9, 0, 0], [255, 255, 0, 2, 3]);
  assert.deepEqual([0, 1, 2, 3, 4].map((at) => kind(cells, at)), ['proven', 'coming', 'unheld', 'rare', 'held']);
});

test('cells cover all chunks, each once', () => {
  for (const [chunks, number] of [[7, 3], [4097, 4096], [1, 1], [100, 100]]) {
    const cells = map(Array(number).fill(0), Array(number).fill(0), Array(number).fill(0), chunks);
    let next = 0;
    for (let at = 0; at < number; at += 1) {
      const [first, last] = chunksOf(cells, at);
      assert.equal(first, next);
      assert.ok(last >= first);
      next = last + 1;
    }
    assert.equal(next, chunks);
  }
});

test('a cell is told in words', () => {
  const cells = map([255, 128, 1, 0], [0, 10, 0, 0], [255, 4, 0, 1], 8);
  assert.equal(cellWords(cells, 0), 'Chunks 0 to 1: proven');
  assert.equal(cellWords(cells, 1), 'Chunks 2 to 3: 50 % proven, on its way, missing, the rarest chunk is at 4 peers');
  assert.equal(cellWords(cells, 2), 'Chunks 4 to 5: 1 % proven, missing, no connected peer has it');
  assert.equal(cellWords(map([0], [0], [1]), 0), 'Chunk 0: missing, the rarest chunk is at 1 peer');
});

test('runs join cells of a kind and leave out what is proven', () => {
  const cells = map([0, 0, 255, 0, 0], [0, 0, 0, 0, 0], [0, 0, 255, 9, 9]);
  assert.deepEqual(runs(cells, 9), [
    { what: 'unheld', words: 'Chunks 0 to 1' },
    { what: 'held', words: 'Chunks 3 to 4' },
  ]);
  assert.equal(runs(cells, 1).length, 1);
});
