/** Questions about the entries of the library. */

/** What a prune would take: cached, not pinned, active or used; the least recently used first. @param {Api.Entry[]} entries @param {Iterable<Api.Transfer>} transfers @param {number} keep */
export function eviction(entries, transfers, keep) {
  const used = new Set([...transfers].filter((it) => it.state !== 'done').map((it) => it.swarm_id));
  const cached = entries.filter((it) => it.cached && it.path);
  let held = cached.reduce((sum, it) => sum + it.byte_count, 0);
  const free = cached.filter((it) => !it.pinned && !it.active && !used.has(it.swarm_id));
  const taken = free.sort((a, b) => (a.used_utc < b.used_utc ? -1 : 1)).filter((it) => held > keep && ((held -= it.byte_count), true));
  return { taken, held };
}

/** Bytes of the cache by what keeps them. @param {Api.Entry[]} entries */
export function cacheParts(entries) {
  const parts = { pinned: 0, active: 0, evictable: 0 };
  for (const it of entries) if (it.cached && it.path) parts[it.pinned ? 'pinned' : it.active ? 'active' : 'evictable'] += it.byte_count;
  return parts;
}

/** Whether a model fits this machine, with its tone. @param {Api.Fits} fits */
export function fit({ fits, checks }) {
  if (!fits) return ['fails', 'does not fit'];
  if (checks.length === 0) return ['rests', 'needs nothing'];
  return checks.some((it) => it.outcome === 'unknown') ? ['rests', 'unknown'] : ['done', 'fits'];
}

/** The end of a model file's name. */
export const MODEL_FILE = /\.(slm|gguf|safetensors|onnx)$/;

/** The folders and models among files; manifests are read by the browser. @param {Api.Files} files */
export const choices = ({ entries }) => entries.filter((it) => it.is_dir || MODEL_FILE.test(it.name));

/** Whether all words of a text occur. */
export const matches = (text, ...all) => text.toLowerCase().split(/\s+/).every((word) => all.join(' ').toLowerCase().includes(word));

/** @type {Record<string, (a: Api.Entry, b: Api.Entry) => number>} */
export const ORDERS = {
  name: (a, b) => a.model_id.localeCompare(b.model_id) || b.id - a.id,
  'last used': (a, b) => (a.used_utc < b.used_utc ? 1 : -1),
  size: (a, b) => b.byte_count - a.byte_count,
};
