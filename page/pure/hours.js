/** Limits by the hour, and the limits that bind now. */
import { rate } from './words.js';

const holds = ({ from, to }, hour) => (from < to ? hour >= from && hour < to : hour >= from || hour < to);

/** The rates of each hour: of the first window that contains it, or the common ones. @param {Api.Limits} limits */
export const day = (limits) => Array.from({ length: 24 }, (_, hour) => limits.schedule.find((it) => holds(it, hour)) ?? { paused: false, up: limits.up, down: limits.down });

/** @param {Api.Rates | Api.Window} rates */
export function ratesWords({ paused, up, down }) {
  const words = (value) => (value == null ? 'no limit' : rate(value));
  return paused ? 'nothing moves' : `down ${words(down)}, up ${words(up)}`;
}

/** The limits that hold something back now. @param {Api.Status} status @param {Api.Transfer[]} transfers */
export function binding({ now }, transfers) {
  const runs = transfers.filter((it) => it.state === 'running');
  const found = new Set(now.paused ? ['paused'] : []);
  for (const way of /** @type {const} */ (['up', 'down'])) {
    const sum = runs.reduce((all, it) => all + it[`${way}_rate`], 0);
    const isHeld = runs.some((it) => it.cause === 'rate-limit' && (it.kind === 'share') === (way === 'up'));
    // Within a tenth: rates are means of some seconds.
    if (now[way] != null && (isHeld || sum >= now[way] * 0.9)) found.add(way);
  }
  if (runs.some((it) => it.cause === 'choked' && it.kind === 'share')) found.add('slots');
  if (runs.some((it) => it.cause === 'quota')) found.add('peer_day_bytes');
  return found;
}
