/** The address within the page (`#/transfers/3`), and the colours, which this browser keeps. */
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
  useEffect(() => addEventListener('hashchange', () => go(here())), []);
  return route;
}

export const to = (...words) => `#/${words.map(encodeURIComponent).join('/')}`;

export const goTo = (...words) => {
  location.hash = to(...words);
};

const KEY = 'minimodel-theme';

/** `system`, `light` or `dark`. */
export const theme = () => localStorage.getItem(KEY) ?? 'system';

export function showTheme() {
  document.documentElement.dataset.theme = theme();
  dispatchEvent(new Event('theme'));
}

export function chooseTheme(name) {
  localStorage.setItem(KEY, name);
  showTheme();
}
