/** The one state of this tab, and the hook by which components read it. */
import { useEffect, useRef, useState } from './vendor/hooks.js';
import { EMPTY } from './pure/picture.js';

/**
 * @typedef {object} TabState
 * @property {'starting' | 'login' | 'open'} phase
 * @property {string} notice Why there is no session, for the login screen.
 * @property {'connecting' | 'live' | 'lost' | 'stopping'} link How the companion is reached.
 * @property {boolean} isLoaded The picture is complete.
 * @property {import('./pure/picture.js').Picture} picture
 * @property {Api.Status | null} status
 * @property {string} said What the live region says.
 */

/** @type {TabState} */
export let state = {
  phase: 'starting',
  notice: '',
  link: 'connecting',
  isLoaded: false,
  picture: EMPTY,
  status: null,
  said: '',
};

/** @type {Set<() => void>} */
const listeners = new Set();

/** Time between two drawings of what events changed, milliseconds. */
const DRAW_EVERY = 250;
let timer = 0;

const tell = () => {
  clearTimeout(timer);
  timer = 0;
  for (const listener of [...listeners]) listener();
};

/** Changes the state and draws it. @param {Partial<TabState>} changes */
export function change(changes) {
  state = { ...state, ...changes };
  tell();
}

/** Changes the state by events, which may be many: they are drawn together. @param {Partial<TabState>} changes */
export function changeSoon(changes) {
  state = { ...state, ...changes };
  if (timer === 0) timer = window.setTimeout(tell, DRAW_EVERY);
}

/** Says something once to users of screen readers. @param {string} text */
export const say = (text) => {
  // A text that is said twice in a row differs by a space, which no screen reader speaks, so that it is spoken again.
  change({ said: state.said === text ? `${text}\u00a0` : text });
};

/**
 * Part of the state; the component is drawn anew when it changes.
 * @template T
 * @param {(state: TabState) => T} select
 * @returns {T}
 */
export function useTab(select) {
  const [, draw] = useState(0);
  const value = select(state);
  const shown = useRef({ select, value });
  shown.current = { select, value };
  useEffect(() => {
    const look = () => {
      if (!Object.is(shown.current.select(state), shown.current.value)) draw((times) => times + 1);
    };
    look();
    listeners.add(look);
    return () => void listeners.delete(look);
  }, []);
  return value;
}
