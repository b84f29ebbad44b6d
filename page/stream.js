/**
 * Events of the companion for all tabs. A browser opens six connections to a host, so one tab, the leader by Web Locks, reads the
 * stream and passes the events on. A hidden tab lets go of all of it and reads everything anew when it is shown.
 */
import { call, send } from './api.js';
import { after, EMPTY, news } from './pure/picture.js';
import { eventReader } from './pure/sse.js';
import { session } from './session.js';
import { change, changeSoon, say, state } from './state.js';

/** Cells of the piece map. */
export const CELLS = 1024;

/** Waits between attempts to connect, milliseconds. */
const RETRY = [500, 1000, 2000, 5000];

/** How often a tab that does not lead reads the map that it shows, milliseconds. */
const MAP_EVERY = 1000;

/** How often the state of all is read, for what no event tells, such as a rate of another hour; milliseconds. */
const STATUS_EVERY = 60_000;

/** @type {AbortController | null} */
let joined = null;
/** @type {AbortController | null} */
let reading = null;
let isLeader = false;
/** @type {number | null} */
let watched = null;
/** @type {Api.Event[] | null} Events that wait for the state of all. */
let waiting = null;

/** Applies events, or keeps them until the state of all is here. @param {Api.Event[]} events */
function take(events) {
  if (waiting) waiting.push(...events);
  else {
    const picture = after(state.picture, events);
    const told = state.isLoaded ? news(state.picture, picture) : '';
    changeSoon({ picture });
    if (told) say(told);
  }
  if (events.some((event) => event.event === 'resync' || event.event === 'limits')) refresh();
  if (events.some((event) => event.event === 'stopping')) change({ link: 'stopping' });
}

/** Reads the state of all; events that come meanwhile are applied on top of it. */
async function refresh() {
  const held = (waiting ??= []);
  try {
    const status = await call('GET /v1/status');
    if (waiting !== held) return;
    const transfers = new Map(status.transfers.map((transfer) => [transfer.id, transfer]));
    waiting = null;
    change({ status, isLoaded: true, picture: after({ ...state.picture, transfers }, held) });
  } catch {
    // The stream, which fails too, tries again and then reads the state again.
    if (waiting === held) waiting = null;
  }
}

/** Reads the stream until it ends. @param {BroadcastChannel} tabs @param {AbortSignal} signal */
async function read(tabs, signal) {
  const query = watched === null ? '' : `?chunks=${watched}&cells=${CELLS}`;
  const response = await send('GET', `/v1/events${query}`, { signal });
  if (!response.body) throw new Error('the stream has no body');
  change({ link: 'live' });
  tabs.postMessage('anew');
  await refresh();
  const bytes = response.body.getReader();
  const decoder = new TextDecoder();
  const events = eventReader();
  for (;;) {
    const { done, value } = await bytes.read();
    if (done) return;
    const found = events(decoder.decode(value, { stream: true })).map((data) => JSON.parse(data));
    if (found.length === 0) continue;
    take(found);
    tabs.postMessage(found);
  }
}

/** Leads: reads the stream, again and again, for as long as this tab is shown. @param {BroadcastChannel} tabs @param {AbortSignal} left */
async function lead(tabs, left) {
  isLeader = true;
  for (let attempt = 0; !left.aborted && session.token; ) {
    reading = new AbortController();
    const signal = AbortSignal.any([left, reading.signal]);
    const began = Date.now();
    try {
      await read(tabs, signal);
    } catch (error) {
      // A transfer that is gone has no map; the stream goes on without it.
      if (error instanceof Error && 'status' in error && error.status === 404) watched = null;
    }
    if (left.aborted || reading.signal.aborted) continue;
    if (Date.now() - began > 10_000) attempt = 0;
    if (state.link !== 'stopping') change({ link: 'lost' });
    tabs.postMessage('lost');
    await pause(RETRY[Math.min(attempt, RETRY.length - 1)], left);
    attempt += 1;
  }
  isLeader = false;
}

/** @param {number} time @param {AbortSignal} signal @returns {Promise<void>} */
const pause = (time, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, time);
    signal.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true });
  });

/** Starts to follow the companion. */
function join() {
  if (joined || !session.token || document.hidden) return;
  const leave = (joined = new AbortController());
  const { signal } = leave;
  const tabs = new BroadcastChannel('minimodel-events');
  tabs.onmessage = ({ data }) => {
    if (data === 'anew') (change({ link: 'live' }), refresh());
    else if (data === 'lost') change({ link: 'lost' });
    else take(data);
  };
  const clock = setInterval(refresh, STATUS_EVERY);
  const map = setInterval(readMap, MAP_EVERY);
  signal.addEventListener('abort', () => (tabs.close(), clearInterval(clock), clearInterval(map)), { once: true });
  refresh().then(() => state.isLoaded && state.link === 'connecting' && change({ link: 'live' }));
  navigator.locks.request('minimodel-stream', { signal }, () => lead(tabs, signal)).catch(() => {});
}

/** Lets go of everything. */
function leave() {
  joined?.abort();
  joined = null;
  reading = null;
  waiting = null;
}

/** Reads the map that is shown, where this tab does not lead and so cannot have it streamed. */
async function readMap() {
  const id = watched;
  if (isLeader || id === null) return;
  try {
    const map = await call('GET /v1/transfers/{id}/chunks', { id, cells: CELLS });
    if (watched === id) change({ picture: { ...state.picture, chunks: { id, map } } });
  } catch {
    // There is no map yet.
  }
}

/** Names the transfer whose map is shown; null: none. @param {number | null} id */
export function watchChunks(id) {
  if (watched === id) return;
  watched = id;
  if (id !== null && state.picture.chunks?.id !== id) change({ picture: { ...state.picture, chunks: null } });
  if (isLeader) reading?.abort();
  else readMap();
}

/** Follows the companion whenever this tab is shown and has a session. */
export function follow() {
  const look = () => (document.hidden || state.phase !== 'open' ? leave() : join());
  document.addEventListener('visibilitychange', look);
  window.addEventListener('pagehide', leave);
  window.addEventListener('pageshow', look);
  return look;
}

/** Forgets what was shown, at the end of a session. */
export const forget = () => (leave(), change({ picture: EMPTY, status: null, isLoaded: false, link: 'connecting' }));
