/** The one state of this tab. */
import { EMPTY } from './pure/picture.js';
import { useEffect, useRef, useState } from './vendor/hooks.js';

/**
 * @typedef {object} Tab
 * @property {'starting' | 'login' | 'open'} phase
 * @property {string} notice Why there is no session.
 * @property {'connecting' | 'live' | 'lost' | 'stopping'} link How the companion is reached.
 * @property {boolean} isLoaded The picture is complete.
 * @property {import('./pure/picture.js').Picture} picture
 * @property {Api.Status | null} status
 * @property {string} said What the live region says.
 */

/** @type {Tab} */
export let tab = { phase: 'starting', notice: '', link: 'connecting', isLoaded: false, picture: EMPTY, status: null, said: '' };

/** Milliseconds between two drawings of what events changed. */
const DRAW_EVERY = 250;

/** @type {Set<() => void>} */
const listeners = new Set();
let timer = 0;

function draw() {
  clearTimeout(timer);
  timer = 0;
  for (const listener of [...listeners]) listener();
}

/** @param {Partial<Tab>} changes */
export function change(changes) {
  tab = { ...tab, ...changes };
  draw();
}

/** Changes that are drawn with those that follow soon. @param {Partial<Tab>} changes */
export function changeSoon(changes) {
  tab = { ...tab, ...changes };
  timer ||= window.setTimeout(draw, DRAW_EVERY);
}

/** Says something once to screen readers; the space makes them say it again. */
export const say = (text) => change({ said: tab.said === text ? `${text}\u00a0` : text });

/**
 * A part of the state; the component is drawn anew when it changes.
 * @template T
 * @param {(tab: Tab) => T} select
 */
export function useTab(select) {
  const [, again] = useState(0);
  const value = select(tab);
  const shown = useRef({ select, value });
  shown.current = { select, value };
  useEffect(() => {
    const look = () => Object.is(shown.current.select(tab), shown.current.value) || again((times) => times + 1);
    look();
    listeners.add(look);
    return () => void listeners.delete(look);
  }, []);
  return value;
}
