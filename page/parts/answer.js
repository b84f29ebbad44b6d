/** Answers of routes that only read. */
import { asProblem, call } from '../api.js';
import { useEffect, useRef, useState } from '../vendor/hooks.js';

/** Least time between two readings of a route, milliseconds: events come in crowds. */
const LEAST = 1000;

/**
 * The answer of a route, read anew when `stamp` changes; the old one stays until then.
 * @template {keyof Api.Routes} R
 * @param {R | null} route None: nothing is read.
 * @param {Api.Routes[R]['params']} [params]
 * @returns {{ answer?: Api.Routes[R]['answer'], problem: any, again: () => void }}
 */
export function useAnswer(route, params, stamp = 0) {
  const key = JSON.stringify([route, params]);
  const [held, hold] = useState(/** @type {any} */ ({}));
  const [times, read] = useState(0);
  const last = useRef({ key: '', at: 0 });
  useEffect(() => {
    if (!route) return;
    let isStale = false;
    const load = () => {
      last.current = { key, at: Date.now() };
      call(route, params).then(
        (answer) => isStale || hold({ key, answer }),
        (error) => isStale || hold((old) => ({ ...(old.key === key && old), key, problem: asProblem(error) })),
      );
    };
    const timer = setTimeout(load, last.current.key === key ? last.current.at + LEAST - Date.now() : 0);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [key, stamp, times]);
  const { answer, problem } = held.key === key ? held : /** @type {any} */ ({});
  return { answer, problem, again: () => read(times + 1) };
}

/** A count that grows while the tab is shown. */
export function useTick(every) {
  const [times, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || tick((it) => it + 1), every);
    return () => clearInterval(timer);
  }, [every]);
  return times;
}
