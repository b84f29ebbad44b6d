/** Text from outside: what could hide, reorder or blur it becomes a visible escape. */

// Controls, format characters (bidi, zero width), private use; separators; blank letters; other spaces; variation selectors; a
// combining mark behind two others.
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800\ufe00-\ufe0f\u{e0100}-\u{e01ef}]|(?! )\p{Zs}|(?<=\p{M}{2})\p{M}/gu;

/** The pieces of a text, of which at most `most` letters are shown. */
export function pieces(text, most = 400) {
  const isCut = text.length > most;
  // No letter is cut in two.
  const shown = isCut ? text.slice(0, most).replace(/[\ud800-\udbff]$/, '') : text;
  const found = [];
  let from = 0;
  for (const { index, 0: it } of shown.matchAll(HIDDEN)) {
    if (index > from) found.push({ text: shown.slice(from, index), isEscape: false });
    found.push({ text: `\\u{${it.codePointAt(0)?.toString(16)}}`, isEscape: true });
    from = index + it.length;
  }
  if (from < shown.length) found.push({ text: shown.slice(from), isEscape: false });
  if (isCut) found.push({ text: `… ${text.length} letters`, isEscape: true });
  return found;
}

/** The same as one text, for labels. */
export const plain = (text, most) => pieces(text, most).map((it) => it.text).join('');
