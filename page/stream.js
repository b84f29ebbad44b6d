/**
 * Events of the companion for all tabs. A browser opens six connections to a host, so one tab, the leader by Web Locks, reads the
 * stream and passes the events on. A hidden tab lets go of all of it, and reads the state anew when it is shown.
 */
import { call, send } from './api.js';
import { EMPTY, after, news } from './pure/picture.js';
import { eventReader } from './pure/sse.js';
import { session } from './session.js';
import { change, changeSoon, say, tab } from './state.js';

const CELLS = 1024;

/** Milliseconds: before a stream is opened again; between two maps where another tab leads; between two states of all. */
const [RETRY, MAP_EVERY, STATUS_EVERY] = [[500, 1000, 2000, 5000], 1000, 60_000];

/** @type {AbortController | null} */
let joined = null;
/** @type {AbortController | null} The stream that this tab reads. */
let reading = null;
/** @type {number | null} The transfer whose map is shown. */
let watched = null;
/** @type {Api.Event[] | null} Events that wait for the state of all. */
let waiting = null;

function take(events) {
  if (waiting) waiting.push(...events);
  else {
    const picture = after(tab.picture, events);
    const told = tab.isLoaded ? news(tab.picture, picture) : '';
    changeSoon({ picture });
    if (told) say(told);
  }
  const has = (...names) => events.some(({ event }) => names.includes(event));
  if (has('resync', 'limits')) refresh();
  if (has('stopping')) change({ link: 'stopping' });
}

/** Reads the state of all; events that come meanwhile are applied on top, and again lead to the same. */
async function refresh() {
  const held = (waiting ??= []);
  const status = await call('GET /v1/status').catch(() => null);
  if (waiting !== held) return;
  waiting = null;
  if (!status) return;
  const transfers = new Map(status.transfers.map((it) => [it.id, it]));
  change({ status, isLoaded: true, picture: after({ ...tab.picture, transfers }, held) });
}

/** Reads one stream to its end. */
async function read(tabs, signal) {
  const response = await send(`/v1/events${watched === null ? '' : `?chunks=${watched}&cells=${CELLS}`}`, { method: 'GET', signal });
  change({ link: 'live' });
  tabs.postMessage('live');
  await refresh();
  const events = eventReader();
  const decoder = new TextDecoder();
  const bytes = /** @type {ReadableStream} */ (response.body).getReader();
  for (;;) {
    const { done, value } = await bytes.read();
    if (done) return;
    const found = events(decoder.decode(value, { stream: true })).map((data) => JSON.parse(data));
    if (found.length === 0) continue;
    take(found);
    tabs.postMessage(found);
  }
}

/** Reads streams for as long as this tab is shown. */
async function lead(tabs, left) {
  let attempt = 0;
  while (!left.aborted && session.token) {
    reading = new AbortController();
    const { signal } = reading;
    const began = Date.now();
    // A transfer that is gone has no map; the stream goes on without it.
    await read(tabs, AbortSignal.any([left, signal])).catch((error) => error.status === 404 && (watched = null));
    if (left.aborted || signal.aborted) continue;
    if (tab.link !== 'stopping') {
      change({ link: 'lost' });
      tabs.postMessage('lost');
    }
    attempt = Date.now() - began > 10_000 ? 0 : attempt + 1;
    await new Promise((done) => {
      setTimeout(done, RETRY[Math.min(attempt, RETRY.length - 1)]);
      left.addEventListener('abort', done);
    });
  }
  reading = null;
}

function join() {
  if (joined || !session.token || document.hidden) return;
  joined = new AbortController();
  const { signal } = joined;
  const tabs = new BroadcastChannel('minimodel-events');
  tabs.onmessage = ({ data }) => {
    if (Array.isArray(data)) return take(data);
    change({ link: data });
    if (data === 'live') refresh();
  };
  const timers = [setInterval(refresh, STATUS_EVERY), setInterval(readMap, MAP_EVERY)];
  signal.onabort = () => (tabs.close(), timers.forEach(clearInterval));
  refresh().then(() => tab.link === 'connecting' && tab.isLoaded && change({ link: 'live' }));
  navigator.locks.request('minimodel-stream', { signal }, () => lead(tabs, signal)).catch(() => {});
}

function leave() {
  joined?.abort();
  joined = waiting = null;
}

/** Reads the map that is shown, where another tab leads. */
async function readMap() {
  const id = watched;
  if (reading || id === null) return;
  const map = await call('GET /v1/transfers/{id}/chunks', { id, cells: CELLS }).catch(() => null);
  if (map && watched === id) change({ picture: { ...tab.picture, chunks: { id, map } } });
}

/** Names the transfer whose map is shown. @param {number | null} id */
export function watchChunks(id) {
  if (watched === id) return;
  watched = id;
  if (reading) reading.abort();
  else readMap();
}

/** Follows the companion whenever this tab is shown and has a session. */
export function follow() {
  const look = () => (document.hidden || tab.phase !== 'open' ? leave() : join());
  document.addEventListener('visibilitychange', look);
  addEventListener('pagehide', leave);
  addEventListener('pageshow', look);
  return look;
}

/** Forgets what was shown, at the end of a session. */
export const forget = () => (leave(), change({ picture: EMPTY, status: null, isLoaded: false, link: 'connecting' }));
