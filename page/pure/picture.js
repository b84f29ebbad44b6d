/** What the page knows of the companion, changed by its events. */
import { plain } from './harmless.js';

/**
 * @typedef {object} Picture
 * @property {Map<number, Api.Transfer>} transfers
 * @property {{ id: number, map: Api.ChunkMap } | null} chunks
 * @property {{ consent: number, library: number, limits: number }} changes How often each changed.
 */

/** @type {Picture} */
export const EMPTY = { transfers: new Map(), chunks: null, changes: { consent: 0, library: 0, limits: 0 } };

/** A transfer that did not change stays the same object. @param {Picture} picture @param {Api.Event[]} events @returns {Picture} */
export function after(picture, events) {
  const next = { ...picture, transfers: new Map(picture.transfers), changes: { ...picture.changes } };
  for (const event of events) {
    if (event.event === 'transfer') next.transfers.set(event.transfer.id, event.transfer);
    else if (event.event === 'removed') next.transfers.delete(event.id);
    else if (event.event === 'chunks') next.chunks = { id: event.id, map: event.map };
    else if (event.event in next.changes) next.changes[event.event] += 1;
  }
  return next;
}

/** @param {Picture} picture */
export const newestFirst = (picture) => [...picture.transfers.values()].sort((a, b) => b.id - a.id);

/** Those with an open question, the oldest first: new ones, and such whose consent ended or is used up. @param {Picture} picture */
export const asking = (picture) => newestFirst(picture).filter((it) => it.question).reverse();

const NEWS = { asking: 'asks for your consent', done: 'is here, checked and in place', failed: 'failed' };

/** What is worth saying aloud: a question, an end; not rates. @param {Picture} before @param {Picture} next */
export function news(before, next) {
  const stands = (it) => (it?.question ? 'asking' : it?.state);
  const isNew = (it) => (stands(before.transfers.get(it.id)) ?? (it.question ? '' : it.state)) !== stands(it);
  const found = [...next.transfers.values()].filter((it) => stands(it) in NEWS && isNew(it));
  return found.map((it) => `${plain(it.model_id || `${it.kind} ${it.id}`, 60)} ${NEWS[stands(it)]}.`).join(' ');
}
