import assert from 'node:assert/strict';
import { test } from 'node:test';
import { command, windowWords } from '../pure/command.js';
import { ago, count, counted, duration, listed, percent, rate, readSize, size, writeSize } from '../pure/words.js';

test('sizes are rounded down, so that no part shows as the whole', () => {
  assert.deepEqual([0, 1023, 1024, 1536, 10 * 1024, 2047 * 1024].map(size), ['0 B', '1023 B', '1 KiB', '1.5 KiB', '10 KiB', '1.9 MiB']);
  assert.equal(size(2 ** 40 - 1), '1023 GiB');
  assert.equal(rate(3 * 2 ** 20), '3 MiB/s');
  assert.equal(size(2 ** 63), '8192 PiB');
});

test('percent is 100 only where all is there', () => {
  assert.deepEqual([percent(999, 1000), percent(1000, 1000), percent(1001, 1000), percent(1, 0)], [99, 100, 100, 0]);
});

test('sizes are read as the command line reads them, and written exactly', () => {
  assert.deepEqual(['10GiB', ' 512 KiB ', '7', '', ' '].map(readSize), [10 * 2 ** 30, 524288, 7, null, null]);
  assert.deepEqual(['10GB', '1.5GiB', '-1', 'x', '9999999TiB'].map(readSize), [undefined, undefined, undefined, undefined, undefined]);
  for (const bytes of [0, 1, 1023, 1024, 1025, 3 * 2 ** 30, 5 * 2 ** 40]) assert.equal(readSize(writeSize(bytes)), bytes);
  assert.equal(writeSize(null), 'none');
});

test('counts have commas in every language, and one is one', () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(count), ['0', '999', '1,000', '1,234,567']);
  assert.deepEqual([counted(1, 'chunk'), counted(7, 'chunk'), counted(0, 'peer')], ['1 chunk', '7 chunks', '0 peers']);
  assert.deepEqual([listed([]), listed(['a']), listed(['a', 'b']), listed(['a', 'b', 'c'])], ['', 'a', 'a and b', 'a, b and c']);
});

test('times are told in the unit that matters', () => {
  assert.deepEqual([0, 59, 60, 3599, 3600, 7500, 172800].map(duration), ['0 s', '59 s', '1 min', '59 min', '1 h', '2 h 5 min', '2 days']);
  const now = Date.parse('2026-11-23T12:00:00Z');
  assert.equal(ago('2026-11-23T11:59:30Z', now), 'just now');
  assert.equal(ago('2026-11-23T11:00:00Z', now), '1 h ago');
  assert.equal(ago('no time', now), 'no time');
});

test('words of a command are quoted where a shell would read them otherwise', () => {
  assert.equal(command('library', 'pin', 'tiny@1.0'), 'minimodel library pin tiny@1.0');
  assert.equal(command('x', "a b'c", '$(rm)', ''), "minimodel x 'a b'\\''c' '$(rm)' ''");
  assert.deepEqual(windowWords({ from: 22, to: 7, paused: true }).slice(3), ['22-7', '--paused']);
  assert.deepEqual(windowWords({ from: 9, to: 17, paused: false, up: 1048576, down: null }).slice(3), ['9-17', '--up', '1MiB', '--down', 'none']);
});
