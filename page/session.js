/** The session of this tab: a code becomes a token in `sessionStorage`, which open tabs hand to new ones. */
import { asProblem, call } from './api.js';
import { change, tab } from './state.js';

const KEY = 'minimodel-session';

/** Milliseconds in which open tabs hand on their token. */
const ASK_TIME = 250;

export const session = { token: sessionStorage.getItem(KEY) ?? '' };

const tabs = new BroadcastChannel(KEY);
tabs.onmessage = ({ data }) => {
  if (data === 'ask' && session.token) tabs.postMessage({ token: session.token });
  else if (data.token && tab.phase !== 'open') open(data.token);
};

function open(token) {
  session.token = token;
  sessionStorage.setItem(KEY, token);
  change({ phase: 'open', notice: '' });
}

/** Ends the session whose token was refused, if this tab has no newer one. @param {string} token @param {boolean} [isForeign] something else answered */
export function sessionEnded(token, isForeign) {
  if (token !== session.token) return;
  session.token = '';
  sessionStorage.removeItem(KEY);
  change({ phase: 'login', notice: isForeign
    ? 'The companion has ended, and something else answers at this address. Close this tab: minimodel open makes a new one.'
    : 'Your session has ended: it was taken back, unused for 12 hours, or the companion was started anew.' });
}

/** Exchanges a code for a session. */
export async function enter(code) {
  try {
    open((await call('POST /v1/sessions', {}, { code })).token);
  } catch (error) {
    const { message, hint } = asProblem(error);
    change({ phase: 'login', notice: `${message}: ${hint}` });
  }
}

/** Takes a code out of the fragment. A browser may have kept the address already; it is good for nothing a moment later. */
export function takeCode() {
  const code = /^#([0-9a-f]{32})$/.exec(location.hash)?.[1];
  if (code) history.replaceState(null, '', '/');
  return code;
}

/** Finds a session: by the code of the fragment, from before, from another tab. */
export async function begin() {
  const code = takeCode();
  if (code) return enter(code);
  if (session.token) return change({ phase: 'open' });
  tabs.postMessage('ask');
  setTimeout(() => tab.phase === 'starting' && change({ phase: 'login' }), ASK_TIME);
}
