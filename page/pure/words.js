/** Sizes, rates, counts and times in words; units are powers of 1,024, as on the command line. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.4 GiB`, rounded down, so that no part shows as the whole. */
export function size(bytes) {
  let unit = 0;
  for (; bytes >= 1024 && unit < 5; unit += 1) bytes /= 1024;
  const tenths = unit > 0 && bytes < 10 ? 10 : 1;
  return `${Math.floor(bytes * tenths) / tenths} ${UNITS[unit]}`;
}

export const rate = (bytes) => `${size(bytes)}/s`;

/** `1,234,567` in every language. */
export const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** `1 chunk`, `7 chunks`. */
export const counted = (value, one) => `${count(value)} ${one}${value === 1 ? '' : 's'}`;

/** Whole percent, rounded down: 100 only where all is there. */
export const percent = (part, whole) => (whole > 0 ? Math.floor((Math.min(part, whole) * 100) / whole) : 0);

/** Bytes of `10GiB`; null for nothing, undefined for what is no size. @returns {number | null | undefined} */
export function readSize(text) {
  if (text.trim() === '') return null;
  const [, number, unit = 'B'] = /^\s*(\d{1,15})\s*(B|KiB|MiB|GiB|TiB)?\s*$/.exec(text) ?? [];
  const bytes = Number(number) * 1024 ** UNITS.indexOf(unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** An exact size for the command line: `10GiB`. */
export function writeSize(bytes) {
  if (bytes == null) return 'none';
  let unit = 0;
  for (; bytes > 0 && bytes % 1024 === 0 && unit < 4; unit += 1) bytes /= 1024;
  return `${bytes}${UNITS[unit]}`;
}

/** `40 s`, `3 min`, `2 h 5 min`, `4 days`. */
export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.floor(Math.max(0, seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}` : `${Math.floor(hours / 24)} days`;
}

/** `5 min ago`; `now` in milliseconds. */
export function ago(utc, now) {
  const seconds = (now - Date.parse(utc)) / 1000;
  return seconds < 60 ? 'just now' : seconds >= 60 ? `${duration(seconds).replace(/ h .*/, ' h')} ago` : utc;
}

/** `2026-11-22 14:05` here, of seconds since 1970 or RFC 3339. */
export function clock(time) {
  const date = new Date(typeof time === 'number' ? time * 1000 : time);
  if (Number.isNaN(+date)) return String(time);
  const two = (part) => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

export const listed = (words) => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`);
