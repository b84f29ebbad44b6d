/** What a manifest says: docs/manifest.md. */
import { count, size } from './words.js';

/** The fields of its text. @param {string} text */
export function fields(text) {
  const split = (line) => line.indexOf('=');
  const lines = text.split(/\r?\n/).filter((line) => split(line) > 0 && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, split(line)), line.slice(split(line) + 1).trim()]));
}

/** The key that signed it, or `unsigned`. @param {Map<string, string>} said */
export const signer = (said) => (said.has('signature.value') ? said.get('publisher.key_id') : 'unsigned');

/** @param {Map<string, string>} said @returns {[string, string][]} */
export function provenance(said) {
  const bytes = Number(said.get('artifact.byte_count'));
  const rows = [['License', [said.get('license.spdx'), said.get('license.route')].filter(Boolean).join(', ')]];
  for (let at = 0; said.has(`evidence.${at}.kind`); at += 1) {
    const lack = said.get(`evidence.${at}.sha256`) === 'none' ? ', without a SHA-256' : '';
    rows.push(['Evidence', `${said.get(`evidence.${at}.kind`)}: ${said.get(`evidence.${at}.route`)}${lack}`]);
  }
  if (rows.length === 1) rows.push(['Evidence', 'none claimed']);
  return /** @type {any} */ ([
    ...rows,
    ['Model card', said.get('model_card.route')],
    ['Takedown', said.get('takedown.route') ?? 'no route given'],
    ['Created', said.get('manifest.created_utc')],
    ['Size', `${size(bytes)} (${count(bytes)} bytes)`],
  ]);
}

/** @type {Record<Api.PublisherStanding, string>} */
const STANDINGS = {
  known: 'signed by the key known since DAY',
  new: 'signed, and this key is seen for the first time',
  unsigned: 'not signed: nothing vouches for the name',
  changed: 'signed by another key than the one known since DAY',
  'signature-missing': 'not signed, although a key is known since DAY',
  'pin-mismatch': 'not signed by the key that you pinned',
};

/** How a manifest is signed, and whether that is an alarm. @param {Api.Publisher | null | undefined} publisher */
export function signature(publisher) {
  if (!publisher) return { words: 'the record of known publishers cannot be read', isAlarm: true };
  const since = publisher.known[0]?.first_seen_unix ?? 0;
  const words = STANDINGS[publisher.standing].replace('DAY', new Date(since * 1000).toISOString().slice(0, 10));
  return { words, isAlarm: !['known', 'new', 'unsigned'].includes(publisher.standing) };
}

/** The signer that must be accepted by name; null: none. @param {Api.Publisher | null | undefined} publisher */
export const toAccept = (publisher) =>
  publisher && ['changed', 'signature-missing'].includes(publisher.standing) ? (publisher.key ?? 'unsigned') : null;
