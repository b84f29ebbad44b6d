/** The address within the page: `#/transfers/3`. */
import { useEffect, useState } from './vendor/hooks.js';

function here() {
  const [, view = '', word = '', rest = ''] = location.hash.split('/');
  try {
    return { view, word: decodeURIComponent(word), rest: decodeURIComponent(rest) };
  } catch {
    return { view, word: '', rest: '' };
  }
}

export function useRoute() {
  const [route, go] = useState(here);
  useEffect(() => {
    const look = () => go(here());
    // The address may have changed before this was drawn.
    look();
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);
  return route;
}

export const to = (...words) => `#/${words.map(encodeURIComponent).join('/')}`;

export const goTo = (...words) => {
  location.hash = to(...words);
};
