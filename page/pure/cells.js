/** The cells of the piece map, in kinds for drawing and in words. */
import { count, counted } from './words.js';

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

/** @param {Api.ChunkMap} map */
export const decode = (map) => ({ number: map.cells, chunks: map.chunks, have: bytes(map.have), coming: bytes(map.in_flight), holders: bytes(map.least_holders) });

/** What stands out most: what no peer has, then what comes, then what less than 3 peers have. @param {ReturnType<typeof decode>} cells */
export function kind({ have, holders, coming }, at) {
  if (have[at] === 255) return 'proven';
  if (holders[at] === 0) return 'unheld';
  return coming[at] > 0 ? 'coming' : holders[at] < 3 ? 'rare' : 'held';
}

/** First and last chunk of a cell. @param {ReturnType<typeof decode>} cells @returns {[number, number]} */
export function chunksOf({ chunks, number }, at) {
  const begin = (cell) => Math.floor((cell * chunks) / number);
  return [begin(at), begin(at + 1) - 1];
}

const named = (first, last) => (first === last ? `Chunk ${count(first)}` : `Chunks ${count(first)} to ${count(last)}`);

/** A cell in words. @param {ReturnType<typeof decode>} cells */
export function cellWords(cells, at) {
  const { have, coming, holders } = cells;
  if (have[at] === 255) return `${named(...chunksOf(cells, at))}: proven`;
  const parts = [];
  if (have[at] > 0) parts.push(`${Math.max(1, Math.floor((have[at] * 100) / 255))} % proven`);
  if (coming[at] > 0) parts.push('on its way');
  if (holders[at] === 0) parts.push('missing, no connected peer has it');
  else if (holders[at] < 255) parts.push(`missing, the rarest chunk is at ${counted(holders[at], 'peer')}`);
  return `${named(...chunksOf(cells, at))}: ${parts.join(', ')}`;
}

/** The first `most` runs of cells of one kind that are not proven. @param {ReturnType<typeof decode>} cells */
export function runs(cells, most) {
  const found = [];
  for (let at = 0; at < cells.number; at += 1) {
    const what = kind(cells, at);
    const [first, last] = chunksOf(cells, at);
    const before = found.at(-1);
    if (what === 'proven') continue;
    if (before?.what === what && before.last === first - 1) before.last = last;
    else if (found.length === most) break;
    else found.push({ what, first, last });
  }
  return found.map(({ what, first, last }) => ({ what, words: named(first, last) }));
}
