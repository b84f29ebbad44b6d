import assert from 'node:assert/strict';
import { test } from 'node:test';

// What api.js needs of a browser when it is loaded.
globalThis.sessionStorage = { getItem: () => null };
globalThis.BroadcastChannel = class {};
const { proof } = await import('../api.js');

test('the proof of an answer is the one that the companion computes', async () => {
  // The same values are in the companion's tests of sessions.
  assert.equal(await proof('ab'.repeat(32), '00112233445566778899aabbccddeeff'),
    'a90e07691cb05c8c3f10abe7b008d32c2f82368ddf06e62a004bbd8c41062939');
});
