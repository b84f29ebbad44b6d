/** What several views show of a transfer. */
import { CAUSES, sentence } from '../pure/sentences.js';
import { timeParts } from '../pure/report.js';
import { counted, duration, rate, size } from '../pure/words.js';
import { useState } from '../vendor/hooks.js';
import { brief, chip, html, o, quiet, stack, table } from './pieces.js';

/** @param {Api.Transfer} it */
export const nameOf = (it) => (it.model_id ? `${it.model_id} ${it.model_version}` : `Model ${it.swarm_id.slice(0, 8)}`);

/** @param {Api.Transfer} it */
export function said(it) {
  const [tone, state, because, next] = sentence(it);
  return html`${chip(tone, state)} ${o(because)}. <span class="quiet">${o(next)}</span>`;
}

/** Peers that are shown at once. */
const ROWS = 20;

/** @param {Api.Peer} it */
function doing(it) {
  if (it.blamed) return 'broke a rule';
  if (it.choking_us) return 'serves others now';
  return it.cause ? (CAUSES[it.cause]?.[0] ?? it.cause) : it.choked_by_us && 'waits for a slot of ours';
}

const FOUND = { came: '', named: '', earlier: ' known from before', 'passed-on': ' through a member', lan: ' found on this network', dht: ' found by the DHT' };
const OVER = { local: '', direct: '', ipv6: ', by IPv6', mapped: ', through the mapped port', punched: ', through both routers' };

/** By which way a peer was found, and over what it is connected. @param {Api.Peer} it */
const found = (it) => html`${it.found === 'introduced' ? html` introduced by ${brief(it.introduced_by ?? '')}` : FOUND[it.found ?? 'came']}${OVER[it.over ?? 'direct']}`;

/** The ways that the user agreed to, a sentence each. @param {Api.Reach | null | undefined} reach */
export function ways(reach) {
  const { mapping, lan, dht } = reach ?? {};
  const way = (name, it) => it && it.stand !== 'off' && `${name}: ${it.stand === 'failed' ? it.why : counted(it.found, 'peer') + ' found'}`;
  const at = { asked: 'is asked for a mapping', mapped: `lets others in at ${mapping?.external}, by ${mapping?.by}`, failed: mapping?.why };
  return [mapping && mapping.stand !== 'off' && `The router ${mapping.stand === 'failed' ? 'has no mapping: ' : ''}${at[mapping.stand]}`, way('This network', lan), way('DHT', dht)].filter((it) => it);
}

/** @param {{ peers: Api.Peer[] }} props */
export function Peers({ peers }) {
  const [from, go] = useState(0);
  if (peers.length === 0) return quiet('No peer is connected.');
  const begin = from < peers.length ? from : 0;
  const shown = [...peers].sort((a, b) => b.down_rate + b.up_rate - a.down_rate - a.up_rate || (a.peer < b.peer ? -1 : 1)).slice(begin, begin + ROWS);
  const cells = (it) => [brief(it.peer), html`${o(it.address)}${found(it)}`, `${Math.floor((it.share ?? 0) * 100)} %`, rate(it.down_rate), rate(it.up_rate), size(it.received_bytes), size(it.sent_bytes), `${Math.round(it.rtt_ms)} ms`, doing(it)];
  return html`${table('Peers', ['Peer', 'Address', 'Has', 'Down', 'Up', 'From it', 'To it', 'Round trip', 'What it does'], shown.map(cells))}
    ${peers.length > ROWS && html`<button type="button" onClick=${() => go(begin + ROWS)}>The next of ${counted(peers.length, 'peer')}</button> from ${begin + 1}`}`;
}

/** Where the time of the runs went. @param {Api.Transfer[]} transfers */
export function times(transfers) {
  const parts = timeParts(transfers);
  const all = parts.reduce((sum, [, seconds]) => sum + seconds, 0);
  return all < 1 ? quiet('Nothing ran yet.') : stack(parts.map(([cause, seconds]) => [`${Math.round((seconds * 100) / all)} %, ${duration(seconds)}: ${CAUSES[cause]?.[0] ?? 'bytes moved'}`, seconds]));
}
