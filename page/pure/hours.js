/** Limits by the hour, and the limits that bind now. */
import { rate } from './words.js';

export const DAYS = /** @type {const} */ (['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']);

/** Whether a window holds; one that goes over midnight belongs to the day on which it begins. */
function holds({ from, to, days }, day, hour) {
  const on = (at) => !days?.length || days.includes(DAYS[at % 7]);
  return from < to ? on(day) && hour >= from && hour < to : (on(day) && hour >= from) || (on(day + 6) && hour < to);
}

/** The rates of each hour of each day: of the first window that holds, or the common ones. @param {Api.Limits} limits */
export const week = (limits) => DAYS.map((_, day) => Array.from({ length: 24 }, (_, hour) => limits.schedule.find((it) => holds(it, day, hour)) ?? { paused: false, up: limits.up, down: limits.down }));

/** A day in words. */
export function dayWords(hours) {
  const starts = hours.flatMap((it, hour) => (hour === 0 || ratesWords(it) !== ratesWords(hours[hour - 1]) ? [hour] : []));
  return starts.map((from, at) => `${from} to ${starts[at + 1] ?? 24}: ${ratesWords(hours[from])}`).join('; ');
}

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
