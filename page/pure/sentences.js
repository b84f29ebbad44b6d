/** Sentences about a transfer: state, cause, next step. */
import { count, counted, duration, listed, percent, rate, size } from './words.js';

/** Why nothing moves, and what helps. @type {Record<Api.Cause, [string, string]>} */
export const CAUSES = {
  'no-source': ['no connected peer has what is missing', 'See that those who offered it still run, or fetch with another offer too.'],
  choked: ['the peers that have it serve others now', 'Wait, slots go round; or fetch from more peers.'],
  'rate-limit': ['a rate limit of this machine holds it back', 'Raise it in Settings.'],
  quota: ['a quota or daily budget is used up', 'Wait for midnight UTC, or give more: Records, Consent.'],
  'consent-missing': ['a consent is missing', 'Give it: Requests, or Records, Consent.'],
  disk: ['the disk is slow or full, or the file is out of reach', 'Free room under Models, or mount the disk.'],
  address: ['another program has its UDP port', 'Health names the port.'],
  congestion: ['the path carries no more', 'Nothing is wrong here; others share the line.'],
  'peer-slow': ['the peers are silent or slow', 'Wait, or find more peers.'],
  checking: ['all is here and is checked', 'Wait: the file is read once more.'],
  'no-demand': ['no peer asks for anything', 'Hand the offer on; Sharing shows who can come.'],
  paused: ['it is paused', 'Start it when you like.'],
  schedule: ['the schedule lets nothing pass at this hour', 'Wait, or change the hours in Settings.'],
  'same-model': ['another fetch of this model goes first', 'Wait, or pause the other one.'],
};

/** @param {Api.Transfer} it */
const unheld = (it) => (it.missing_unheld ? `${counted(it.missing_unheld, 'chunk')} that no connected peer has` : '');

/** @param {Api.Transfer} it @returns {[tone: string, state: string, because: string, next: string]} */
export function sentence(it) {
  const isShare = it.kind === 'share';
  let [because, next] = it.cause ? (CAUSES[it.cause] ?? [it.cause, '']) : ['', ''];
  if (isShare && it.cause === 'choked') [because, next] = ['peers want chunks, and no upload slot is free', 'Slots go round; Settings has more.'];
  switch (it.state) {
    case 'asking':
      return ['asks', 'Asks you', `it needs your consent to ${listed(it.question?.needs ?? [])}`, 'Answer under Requests.'];
    case 'waiting':
      return ['waits', 'Waits', because, it.problem ? `${it.problem.error}. It tries again by itself.` : next];
    case 'preparing':
      return ['moves', 'Prepares', it.cause === 'no-source' && !isShare ? 'the manifest is asked for' : 'what is here is checked', ''];
    case 'paused':
      return ['rests', 'Paused', isShare ? 'nothing is served' : `${percent(it.have_bytes, it.total_bytes)} % is here`, next || CAUSES.paused[1]];
    case 'done':
      return ['done', 'Done', `${size(it.total_bytes)}, checked and in place`, ''];
    case 'failed':
      return ['fails', 'Failed', it.problem?.error ?? 'it ended', it.problem?.hint ?? 'Start tries again.'];
    default: {
      if (because) return ['waits', 'Nothing moves', because, next];
      const way = isShare ? 'up_rate' : 'down_rate';
      const peers = counted(it.peers.filter((peer) => peer[way] > 0).length, 'peer');
      const lack = unheld(it);
      const words = `${rate(it[way])} ${isShare ? 'to' : 'from'} ${peers}${lack && `; ${lack}`}`;
      return ['moves', isShare ? 'Shares' : 'Fetches', words, lack && 'Ask a peer that has the whole file for an offer.'];
    }
  }
}

/** The time left, or why it cannot be told. @param {Api.Transfer} it */
export function timeLeft(it) {
  if (it.kind === 'share' || !['running', 'waiting'].includes(it.state)) return '';
  return it.eta_seconds != null ? `about ${duration(it.eta_seconds)} left` : unheld(it) || 'time left unknown';
}

/** How many chunks are where. @param {Api.Transfer} it */
export function chunkWords({ chunks_total: all = 0, chunks_have: have = 0, chunks_in_flight: coming = 0, missing_unheld: lack }) {
  if (all === 0) return 'The chunks are not known yet.';
  if (have >= all) return `All ${count(all)} chunks are proven.`;
  const end = lack == null ? '' : `, ${count(lack)} that no connected peer has`;
  return `${count(have)} of ${count(all)} chunks proven, ${count(coming)} on their way${end}.`;
}
