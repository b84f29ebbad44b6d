/** One transfer in full. */
import { Act, Copy, Problem, bar, brief, call, clock, cmd, facts, goTo, head, html, o, panel, percent, problemBox, size, to, useEffect, useTab } from '../kit.js';
import { LimitFields } from '../parts/limit_fields.js';
import { Peers, nameOf, said, times, ways } from '../parts/of_transfer.js';
import { PieceMap } from '../parts/piece_map.js';
import { RatePlot } from '../parts/rate_plot.js';
import { signature, toAccept } from '../pure/manifest.js';
import { chunkWords, timeLeft } from '../pure/sentences.js';
import { watchChunks } from '../stream.js';
import { AcceptKey } from './consent_form.js';

export function OneTransfer({ id }) {
  const it = useTab((tab) => tab.picture.transfers.get(id));
  const back = html`<a href=${to('transfers')}>All transfers</a>`;
  if (!it) return html`${head(`Transfer ${id}`, back)}<p>It is not there, or no more.</p>`;
  return html`${head(o(nameOf(it), 120), back)}<${Standing} it=${it} />
    ${it.state === 'failed' && toAccept(it.publisher) && html`<${AcceptKey} it=${it} />`}<${Chunks} it=${it} />
    ${panel('Rates', html`<${RatePlot} id=${id} />`, html`<h3>Where the time went</h3>`, times([it]))}${panel('Peers', html`<${Peers} peers=${it.peers} />`)}
    ${panel('Limits of this transfer', html`<${LimitFields} key=${JSON.stringify(it.limits)} limits=${it.limits} names=${['down', 'up', 'slots']} words=${['transfer', 'limit', id]} save=${(limits) => call('PUT /v1/transfers/{id}/limits', { id }, limits)} />`)}
    <${Details} it=${it} />`;
}

/** @param {{ it: Api.Transfer }} props */
function Standing({ it }) {
  const { id, state, problem } = it;
  const isOn = ['running', 'waiting', 'preparing'].includes(state);
  const part = percent(it.have_bytes, it.total_bytes);
  const remove = async () => (await call('DELETE /v1/transfers/{id}', { id }), goTo('transfers'));
  return html`<section class="panel standing" aria-label="How it stands"><p class="said">${said(it)}</p>
    ${it.kind === 'fetch' && it.total_bytes > 0 && html`<p class="amount">${bar('Fetched', part)}<span>${part} %: ${size(it.have_bytes)} of ${[size(it.total_bytes), timeLeft(it)].filter(Boolean).join(', ')}</span></p>`}
    ${state === 'failed' && problem && problemBox(new Problem(0, problem))}
    <div class="line">
      ${it.question && html`<a class="button main" href=${to('requests', id)}>Answer its question</a>`}
      ${isOn && html`<${Act} label="Pause" done="Paused." run=${() => call('POST /v1/transfers/{id}/pause', { id })} />`}
      ${['paused', 'failed', 'waiting'].includes(state) && html`<${Act} label="Start" done="Started." run=${() => call('POST /v1/transfers/{id}/start', { id })} />`}
      <${Act} label="Forget" done="Forgotten." run=${remove} asks=${`The companion forgets this ${it.kind} and its consents. Files stay, partial ones too.`} />
      ${it.kind === 'share' && html`<a class="button" href=${to('sharing', id)}>Offer and audience</a>`}
    </div>${cmd('transfer', isOn ? 'pause' : 'start', id)} ${cmd('transfer', 'remove', id)}</section>`;
}

/** @param {{ it: Api.Transfer }} props */
function Chunks({ it }) {
  const hasMap = it.kind === 'fetch' && it.state !== 'asking' && it.state !== 'done';
  const chunks = useTab((tab) => tab.picture.chunks);
  useEffect(() => {
    watchChunks(hasMap ? it.id : null);
    return () => watchChunks(null);
  }, [it.id, hasMap]);
  return hasMap && panel('Chunks', html`<p><strong>${chunkWords(it)}</strong></p>`, chunks?.id === it.id && html`<${PieceMap} map=${chunks.map} />`);
}

/** @param {{ it: Api.Transfer }} props */
function Details({ it }) {
  return panel('Details', facts([
    ['Publisher', it.publisher ? html`${o(it.publisher.id)}, ${signature(it.publisher).words}` : 'not known yet'],
    ['File', it.path && html`${o(it.path)} <${Copy} text=${it.path} what="path" />`],
    ['Swarm', html`${brief(it.swarm_id, 16)} <${Copy} text=${it.swarm_id} what="swarm id" />`],
    ['Added', clock(it.created_utc)],
    ['In this run', `${size(it.received_bytes)} received, ${size(it.sent_bytes)} sent`],
    ['Ways', ways(it.reach).length > 0 && ways(it.reach).map((line) => html`<div>${o(line)}</div>`)],
    ['Model', it.entry != null && html`<a href=${to('models', it.entry)}>in the library</a>`],
  ].filter(([, value]) => value)));
}
