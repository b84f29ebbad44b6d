/** Transfers: a row each. */
import { bar, choice, counted, head, html, o, percent, quiet, rate, row, size, to, useState, useTab } from '../kit.js';
import { memo } from '../parts/memo.js';
import { nameOf, said } from '../parts/of_transfer.js';
import { RatePlot } from '../parts/rate_plot.js';
import { newestFirst } from '../pure/picture.js';
import { timeLeft } from '../pure/sentences.js';
import { FetchForm } from './fetch_form.js';
import { firstRun } from './first_run.js';
import { OneTransfer } from './one_transfer.js';

const LISTS = {
  All: () => true,
  Fetches: (it) => it.kind === 'fetch',
  Shares: (it) => it.kind === 'share',
  'Not finished': (it) => it.state !== 'done' && it.state !== 'failed',
};

export function Transfers({ id, word }) {
  return id === null ? html`<${List} isAdding=${word === 'add'} />` : html`<${OneTransfer} key=${id} id=${id} />`;
}

function List({ isAdding }) {
  const all = newestFirst(useTab((tab) => tab.picture));
  const isLoaded = useTab((tab) => tab.isLoaded);
  const [list, choose] = useState('All');
  const shown = all.filter(LISTS[list]);
  return html`${head('Transfers', html`<a class="button main" href=${to('transfers', ...(isAdding ? [] : ['add']))}>${isAdding ? 'Close the form' : 'Fetch a model'}</a>`)}
    ${isAdding && html`<${FetchForm} />`}${!isLoaded && quiet('Reading…')}
    ${isLoaded && all.length === 0 && !isAdding && firstRun()}
    ${all.length > 0 && html`<section class="panel" aria-label="All transfers together"><${RatePlot} /></section>
      ${choice('Which transfers are listed', Object.keys(LISTS), list, choose)}
      <ul class="rows">${shown.map((it) => html`<${Row} key=${it.id} it=${it} />`)}</ul>${shown.length === 0 && quiet('None of these.')}`}`;
}

const Row = memo((/** @type {{ it: Api.Transfer }} */ { it }) => {
  const isFetch = it.kind === 'fetch' && it.state !== 'done' && it.total_bytes > 0;
  const part = percent(it.have_bytes, it.total_bytes);
  return row({
    key: it.id,
    href: to(it.question ? 'requests' : 'transfers', it.id),
    name: o(nameOf(it), 100),
    kind: `${it.kind} ${it.id}`,
    said: said(it),
    amount: html`${isFetch && bar(`Fetched of ${it.id}`, part)}<span>${[isFetch ? `${part} % of ${size(it.total_bytes)}` : size(it.total_bytes), timeLeft(it)].filter(Boolean).join(', ')}</span>`,
    rates: it.state === 'running' && html`<span>down ${rate(it.down_rate)}</span><span>up ${rate(it.up_rate)}</span><span>${counted(it.peers.length, 'peer')}</span>`,
  });
});
