/** Fields for limits, each with its command line. */
import { command } from '../pure/command.js';
import { readSize, writeSize } from '../pure/words.js';
import { useState } from '../vendor/hooks.js';
import { Field, form, shell, useCall } from './actions.js';
import { html, problemBox } from './pieces.js';

/** The flag, the label and the hint of each field of the interface. */
const LIMITS = {
  down: ['down', 'Down', 'a second, as 2MiB'],
  up: ['up', 'Up', 'a second, as 512KiB'],
  slots: ['slots', 'Upload slots', 'peers that a share serves at once'],
  peer_day_bytes: ['peer-day', 'To one peer a day', 'as 20GiB, over all shares, a day of UTC'],
  cache_bytes: ['cache', 'Cache', 'of cached files; the least recently used go'],
  storage_bytes: ['storage', 'Storage', 'of the library’s folder; a fetch beyond it is refused'],
};

const written = (name, value) => (value == null ? '' : name === 'slots' ? `${value}` : writeSize(value));

/** Fields of `names`; `words` begin their command line. */
export function LimitFields({ limits, names, words, save, binds = new Set() }) {
  const [texts, type] = useState(() => Object.fromEntries(names.map((name) => [name, written(name, limits[name])])));
  const { problem, isBusy, run } = useCall();
  const values = Object.fromEntries(names.map((name) => [name, readSize(texts[name])]));
  const isWrong = Object.values(values).includes(undefined);
  const isSame = names.every((name) => values[name] === (limits[name] ?? null));
  const one = (name) => {
    const [flag, label, hint] = LIMITS[name];
    const isBad = values[name] === undefined;
    return html`<div class=${binds.has(name) && 'binds'}>
      <${Field} label=${label} value=${texts[name]} placeholder="no limit" aria-invalid=${isBad} hint=${isBad ? 'A whole number with KiB, MiB, GiB or TiB.' : hint} onInput=${(text) => type({ ...texts, [name]: text })} />
      ${binds.has(name) && html`<strong>Binds now. </strong>`}${shell(command(...words, `--${flag}`, written(name, values[name]) || 'none'))}</div>`;
  };
  return form(() => run(() => save({ ...limits, ...values }), 'The limits hold from now on.'),
    html`<div class="grid">${names.map(one)}</div>${problemBox(problem)}<button disabled=${isWrong || isSame || isBusy}>Set limits</button>`);
}
