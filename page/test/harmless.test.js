import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pieces, plain } from '../pure/harmless.js';

test('what reorders or hides text becomes a visible escape', () => {
  assert.equal(plain('a\u202egnp.exe'), 'a\\u{202e}gnp.exe');
  assert.equal(plain('a\u200bb\u2066c\ufeff\u00ad'), 'a\\u{200b}b\\u{2066}c\\u{feff}\\u{ad}');
  assert.equal(plain('tab\tline\nnul\0'), 'tab\\u{9}line\\u{a}nul\\u{0}');
  assert.equal(plain('blank\u3164 wide\u2003'), 'blank\\u{3164} wide\\u{2003}');
  assert.equal(plain('\u{e0041}'), '\\u{e0041}');
});

test('ordinary text of any language stays as it is', () => {
  for (const text of ['tinylm 1.0', 'Größe', 'modèle', '模型', 'مدل', 'नमूना', '', '<img src=x onerror=alert(1)>']) assert.equal(plain(text), text);
});

test('a heap of combining marks is no longer than two', () => {
  assert.equal(plain('a\u0301\u0302\u0303\u0304'), 'a\u0301\u0302\\u{303}\\u{304}');
});

test('a long text is cut between letters, and its length is told', () => {
  assert.deepEqual(pieces('x'.repeat(4096), 3), [
    { text: 'xxx', isEscape: false },
    { text: '… 4096 letters', isEscape: true },
  ]);
  assert.equal(plain(`ab${'\u{1f600}'.repeat(9)}`, 3), 'ab… 20 letters');
});
