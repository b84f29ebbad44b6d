import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, after, asking, news, newestFirst } from '../pure/picture.js';
import { eventReader } from '../pure/sse.js';
import { transfer } from './transfer.js';

const question = { needs: [], may: [], subject: [] };
const told = (...transfers) => transfers.map((it) => ({ event: 'transfer', transfer: it }));

test('events change the picture, and leave the rest as it is', () => {
  const one = transfer({ id: 1 });
  const before = after(EMPTY, told(one, transfer({ id: 2, state: 'asking', question }), transfer({ id: 3, state: 'asking', question })));
  assert.deepEqual(newestFirst(before).map((it) => it.id), [3, 2, 1]);
  assert.deepEqual(asking(before).map((it) => it.id), [2, 3]);
  const next = after(before, [{ event: 'removed', id: 2 }, { event: 'library' }, { event: 'library' }, { event: 'resync' }]);
  assert.equal(next.transfers.get(1), one);
  assert.deepEqual([next.transfers.size, next.changes.library, next.changes.consent], [2, 2, 0]);
  assert.equal(before.transfers.size, 3);
});

test('events that are applied again lead to the same picture', () => {
  const events = [...told(transfer({ id: 1 })), { event: 'removed', id: 1 }, ...told(transfer({ id: 2, state: 'done' }))];
  const once = after(EMPTY, events);
  assert.deepEqual(after(once, events).transfers, once.transfers);
});

test('only questions and ends are said aloud, once', () => {
  const before = after(EMPTY, told(transfer({ id: 1 }), transfer({ id: 2, state: 'asking', question })));
  const rates = after(before, told(transfer({ id: 1, down_rate: 9 })));
  assert.equal(news(before, rates), '');
  const done = after(rates, told(transfer({ id: 1, state: 'done' }), transfer({ id: 4, state: 'asking', model_id: '', question })));
  assert.equal(news(rates, done), 'tinylm is here, checked and in place. fetch 4 asks for your consent.');
  assert.equal(news(done, done), '');
  const ended = after(done, told(transfer({ id: 5, state: 'running' }), transfer({ id: 6, state: 'waiting' })));
  const again = after(ended, told(transfer({ id: 6, state: 'waiting', cause: 'consent-missing', question })));
  assert.equal(news(ended, again), 'tinylm asks for your consent.');
  assert.deepEqual(asking(again).map((it) => it.id), [2, 4, 6]);
  assert.equal(news(EMPTY, after(EMPTY, told(transfer({ state: 'failed' })))), '');
});

test('events are read whatever pieces they arrive in', () => {
  const text = 'event: a\nid: 1\ndata: {"x":1}\n\n: alive\n\ndata: {"y":\ndata: 2}\r\n\r\ndata: rest';
  for (const size of [1, 3, 1000]) {
    const read = eventReader();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...read(text.slice(at, at + size)));
    assert.deepEqual(found.map((data) => JSON.parse(data)), [{ x: 1 }, { y: 2 }], `pieces of ${size}`);
  }
});
