/** Models: all versions in one list, and what would free room. */
import { Act, Field, ago, call, chip, cmd, counted, goTo, head, html, load, o, readSize, row, size, to, useAnswer, useState, useTab, useTick, writeSize } from '../kit.js';
import { memo } from '../parts/memo.js';
import { ORDERS, eviction, fit, matches } from '../pure/library.js';
import { AddForm } from './add_form.js';
import { firstRun } from './first_run.js';
import { OneModel } from './one_model.js';

/** @type {Record<Api.EntryState, string>} */
export const TONES = { available: 'rests', downloading: 'moves', ready: 'done', failed: 'fails' };

export function Models({ id, word }) {
  const stamp = useTab((tab) => tab.picture.changes.library);
  const library = useAnswer('GET /v1/library', {}, stamp);
  return html`${!library.answer && head('Models')}${load(library, (entries) => (id === null ? html`<${List} entries=${entries} isAdding=${word === 'add'} />` : html`<${OneModel} key=${id} id=${id} entries=${entries} />`))}`;
}

/** @param {{ entries: Api.Entry[], isAdding: boolean }} props */
function List({ entries, isAdding }) {
  const [text, search] = useState('');
  const [order, sort] = useState('name');
  useTick(60_000);
  const transfers = useTab((tab) => tab.picture.transfers);
  const shared = new Set([...transfers.values()].filter((it) => it.kind === 'share' && it.state === 'running').map((it) => it.swarm_id));
  const shown = entries.filter((it) => matches(text, it.model_id, it.model_version, it.publisher_id, it.swarm_id, it.state)).sort(ORDERS[order]);
  const held = entries.reduce((sum, it) => sum + (it.path ? it.byte_count : 0), 0);
  return html`${head('Models', html`<a class="button" href=${to('models', ...(isAdding ? [] : ['add']))}>${isAdding ? 'Close the form' : 'Add a file of yours'}</a>`, html`<a class="button main" href=${to('transfers', 'add')}>Fetch a model</a>`)}
    ${isAdding && html`<${AddForm} />`}${entries.length === 0 && !isAdding && firstRun()}
    ${entries.length > 0 && html`<div class="line"><${Field} label="Filter" type="search" value=${text} onInput=${search} />
        <${Field} label="Order by" as="select" value=${order} onInput=${sort}>${Object.keys(ORDERS).map((name) => html`<option>${name}</option>`)}<//>
        <span class="quiet">${counted(shown.length, 'version')}, ${size(held)} on disk in all</span></div>
      <ul class="rows">${shown.map((it) => html`<${Row} key=${it.id} it=${it} isShared=${shared.has(it.swarm_id)} used=${ago(it.used_utc, Date.now())} />`)}</ul>
      <${FreeRoom} entries=${entries} transfers=${transfers} />`}`;
}

const Row = memo((/** @type {{ it: Api.Entry, isShared: boolean, used: string }} */ { it, isShared, used }) => {
  const marks = [it.active && 'active', it.pinned && 'pinned', isShared && 'shared', it.path && !it.cached && 'your own file'];
  const [tone, word] = fit(it.fits);
  return row({
    key: it.id,
    href: to('models', it.id),
    name: o(`${it.model_id} ${it.model_version}`, 100),
    kind: html`by ${o(it.publisher_id, 60)}`,
    said: html`${chip(TONES[it.state], it.state)} ${o(it.reason, 160)} <span class="quiet">${marks.filter(Boolean).join(', ')}</span>`,
    amount: `${size(it.byte_count)}${it.path ? '' : ', not here'}`,
    rates: html`${chip(tone, word)}<span>used ${used}</span>`,
  });
});

function FreeRoom({ entries, transfers }) {
  const limit = useTab((tab) => tab.status?.limits.cache_bytes);
  const [text, keep] = useState(limit == null ? '' : writeSize(limit));
  const bytes = readSize(text);
  const { taken, held } = eviction(entries, transfers.values(), bytes ?? Infinity);
  return html`<details class="panel"><summary>Free room</summary>
    <${Field} label="Keep in the cache at most" value=${text} onInput=${keep} aria-invalid=${bytes === undefined} hint="As 20GiB. What is pinned, active, used or your own stays in any case." />
    ${bytes != null && html`<p>${counted(taken.length, 'file')} would go, ${size(held)} would stay.</p><ul>${taken.map((it) => html`<li>${o(`${it.model_id} ${it.model_version}`)}, ${size(it.byte_count)}</li>`)}</ul>
      ${taken.length > 0 && html`<${Act} label="Free room" done="Room is free." asks="These files will be deleted. Their manifests stay, so they can be fetched again." run=${() => call('POST /v1/library/prune', {}, { keep_bytes: bytes })} />`}
      ${cmd('library', 'prune', '--keep', writeSize(bytes))}`}</details>`;
}

export const share = async (body) => {
  const it = await call('POST /v1/shares', {}, body);
  goTo(it.question ? 'requests' : 'sharing', it.id);
};
