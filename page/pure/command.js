/** Command lines for a POSIX shell. */
import { writeSize } from './words.js';

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** `minimodel` and these words, quoted where they must be. */
export const command = (...words) => ['minimodel', ...words.map(String).map(quoted)].join(' ');

/** The words that add a window. @param {Api.Window} window */
export const windowWords = ({ from, to, days, paused, up, down }) =>
  ['limits', 'schedule', 'add', `${from}-${to}`, ...(days?.length ? ['--days', days.join()] : []), ...(paused ? ['--paused'] : ['--up', writeSize(up), '--down', writeSize(down)])];
