/**
 * The session of this tab: a code from the fragment or the keyboard becomes a token in `sessionStorage`, which open tabs hand to new
 * ones. No cookie, because cookies are not kept apart by port (RFC 6265 section 8.5).
 */
import { change, state } from './state.js';
import { Problem, call } from './api.js';

const KEY = 'minimodel-session';

/** Time that open tabs have to hand on their token, milliseconds. */
const ASK_TIME = 250;

export const session = { token: sessionStorage.getItem(KEY) ?? '' };

const tabs = new BroadcastChannel(KEY);
tabs.onmessage = ({ data }) => {
  if (data === 'ask' && session.token) tabs.postMessage({ token: session.token });
  else if (data?.token && state.phase !== 'open') open(data.token);
};

/** @param {string} token */
function open(token) {
  session.token = token;
  sessionStorage.setItem(KEY, token);
  change({ phase: 'open', notice: '' });
}

/** Ends the session of this tab: its token was refused. A token that was replaced meanwhile ends nothing. @param {string} token */
export function sessionEnded(token) {
  if (token !== session.token) return;
  session.token = '';
  sessionStorage.removeItem(KEY);
  change({ phase: 'login', notice: 'Your session has ended: it was taken back, unused for 12 hours, or the companion was started anew.' });
}

/** Exchanges a code for a session. @param {string} code @returns {Promise<void>} */
export async function enter(code) {
  try {
    open((await call('POST /v1/sessions', {}, { code })).token);
  } catch (error) {
    const notice = error instanceof Problem ? `${error.message}: ${error.hint}` : 'The companion does not answer.';
    change({ phase: 'login', notice });
  }
}

/** Takes a code out of the fragment, so that it is in no history; null where there is none. */
export function takeCode() {
  const code = /^#([0-9a-f]{32})$/.exec(location.hash)?.[1] ?? null;
  if (code) history.replaceState(null, '', location.pathname);
  return code;
}

/** Finds a session: by the code of the fragment, from before, from another tab; else the login screen. */
export async function begin() {
  const code = takeCode();
  if (code) return enter(code);
  if (session.token) return change({ phase: 'open' });
  tabs.postMessage('ask');
  await new Promise((done) => setTimeout(done, ASK_TIME));
  if (state.phase === 'starting') change({ phase: 'login' });
}
