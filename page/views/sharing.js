/** Sharing: what this machine serves, the offers, who can come, who took what. */
import { Act, Copy, brief, call, cmd, counted, form, head, html, load, o, outcome, panel, problemBox, quiet, rate, row, size, table, to, useAnswer, useCall, useState, useTab } from '../kit.js';
import { Peers, nameOf, said } from '../parts/of_transfer.js';
import { FileField, ManifestField, useManifest } from '../parts/paths.js';
import { newestFirst } from '../pure/picture.js';
import { readQr } from '../pure/qr.js';
import { grantRows } from './consents.js';
import { share } from './models.js';

const DAYS = 30;

export function Sharing({ id, word }) {
  const it = useTab((tab) => tab.picture.transfers.get(id));
  return it?.kind === 'share' ? html`<${OneShare} key=${id} it=${it} />` : html`<${List} isAdding=${word === 'add'} />`;
}

function List({ isAdding }) {
  const picture = useTab((tab) => tab.picture);
  const shares = newestFirst(picture).filter((it) => it.kind === 'share');
  const library = useAnswer('GET /v1/library', {}, picture.changes.library);
  const doctor = useAnswer('GET /v1/doctor');
  const isFree = (entry) => entry.state === 'ready' && !shares.some((it) => it.swarm_id === entry.swarm_id);
  return html`${head('Sharing', html`<a class="button" href=${to('sharing', ...(isAdding ? [] : ['add']))}>${isAdding ? 'Close the form' : 'Share a file of yours'}</a>`)}
    ${isAdding && html`<${ShareForm} />`}
    ${shares.length === 0 ? quiet('This machine shares nothing.') : html`<ul class="rows">${shares.map((it) => row({
      key: it.id,
      href: to('sharing', it.id),
      name: o(nameOf(it), 100),
      kind: `share ${it.id}`,
      said: said(it),
      amount: size(it.total_bytes),
      rates: it.state === 'running' && html`<span>up ${rate(it.up_rate)}</span><span>${size(it.sent_bytes)} sent</span><span>${counted(it.peers.length, 'peer')}</span>`,
    }))}</ul>`}
    ${panel('Share from the library', load(library, (entries) => {
      const free = entries.filter(isFree);
      return free.length === 0 ? quiet('No other model is ready to be shared.') : html`<ul class="picks">${free.map((entry) => html`<li key=${entry.id}><span>${o(`${entry.model_id} ${entry.model_version}`, 100)}, ${size(entry.byte_count)}</span>
        <${Act} label="Share" about=${entry.model_id} done="The share serves nothing before you agree." run=${() => share({ entry: entry.id })} /></li>`)}</ul>`;
    }))}
    ${panel('Who can reach this machine', load(doctor, (found) => html`<ul>${found.filter((it) => /reach|ports|translation|ways/.test(it.name)).map((it) => html`<li>${outcome(it.outcome)} ${o(it.detail)}${it.hint && html`<p class="quiet">Next: ${o(it.hint)}</p>`}</li>`)}</ul>`), cmd('doctor'))}`;
}

function ShareForm() {
  const chosen = useManifest();
  const { manifest } = chosen;
  const [path, pick] = useState('');
  const { problem, isBusy, run } = useCall();
  return panel('Share a file of yours', form(() => run(() => share({ manifest, path }), 'The share serves nothing before you agree.'), html`<${FileField} path=${path} onPick=${pick} chosen=${chosen} /><${ManifestField} chosen=${chosen} />
    ${problemBox(problem)}<button class="main" disabled=${isBusy || !manifest || !path}>Show what is asked</button>`));
}

/** @param {{ it: Api.Transfer }} props */
function OneShare({ it }) {
  const { id, offer, publishes } = it;
  const stamp = useTab((tab) => tab.picture.changes.consent);
  const grants = useAnswer('GET /v1/grants', {}, stamp);
  const moved = useAnswer('GET /v1/moved', { days: DAYS });
  const isOn = ['running', 'waiting', 'preparing'].includes(it.state);
  return html`${head(o(nameOf(it), 120), html`<a href=${to('sharing')}>All shares</a>`)}
    <section class="panel standing" aria-label="How it stands"><p class="said">${said(it)}</p><p>Going out now: ${rate(it.up_rate)}, to ${counted(it.peers.length, 'peer')}.</p><div class="line">
      ${it.question ? html`<a class="button main" href=${to('requests', id)}>Answer its question</a>`
        : isOn ? html`<${Act} label="Stop at once" kind="danger" done="Stopped: nothing goes out." run=${() => call('POST /v1/transfers/{id}/pause', { id })} />`
        : html`<${Act} label="Share again" done="Started." run=${() => call('POST /v1/transfers/{id}/start', { id })} />`}
      <a class="button" href=${to('transfers', id)}>Rates and limits</a>${cmd('transfer', isOn ? 'pause' : 'start', id)}</div></section>
    ${offer && html`<${Offer} key=${offer} id=${id} />`}
    ${offer && panel('Announcement', html`<p>${publishes ? 'Peers may pass on that this machine has the file, and where.' : 'Peers do not pass the offer on.'}</p>`,
      publishes ? html`<${Act} label="Take it back" done="It is announced no more." run=${() => call('DELETE /v1/transfers/{id}/announcement', { id })} />`
        : html`<${Act} label="Announce" agree="Agree to publish" done="It is announced." asks=${html`<strong>publish</strong>: let peers of this swarm pass on that this machine has the file, and at which addresses. If you say no, nothing changes.`} run=${() => call('PUT /v1/transfers/{id}/announcement', { id }, { actions: ['publish'], by: 'page' })} />`, ' ', cmd('announce', publishes ? 'off' : 'on', id))}
    ${panel('Who may come', html`<p>${it.allow.length === 0 ? 'Anyone who holds the offer.' : html`These peers: ${it.allow.map((peer) => html`${brief(peer)} `)}`}</p><h3>Consents that permit it</h3>`,
      load(grants, (all) => grantRows(all.filter((one) => one.action === 'serve' && one.state === 'active' && (!one.model || one.model === it.swarm_id)))))}
    ${panel('Peers', html`<${Peers} peers=${it.peers} />`)}
    ${panel(`Who took what, ${DAYS} days`, load(moved, (rows) => {
      const sums = new Map();
      for (const one of rows) if (one.swarm_id === it.swarm_id) sums.set(one.peer, (sums.get(one.peer) ?? 0) + one.sent_bytes);
      const most = [...sums].sort((a, b) => b[1] - a[1]).slice(0, 100);
      return most.length === 0 ? quiet('No peer took anything yet.') : table('Who took what', ['Peer', 'Sent to it'], most.map(([peer, sent]) => [brief(peer, 16), size(sent)]));
    }), cmd('limits', 'log', '--days', DAYS))}`;
}

function Offer({ id }) {
  const qr = useAnswer('GET /v1/transfers/{id}/offer.svg', { id });
  const drawn = qr.answer ? readQr(qr.answer) : null;
  return panel('The offer', load(useAnswer('GET /v1/transfers/{id}/offer', { id }), ({ offer, link, command, addresses }) => html`<div class="offer"><div>
      <p>A user who holds it can fetch, until it ends or you stop. Hand it on by mail or chat.</p><p><code class="block">${offer}</code></p>
      <p class="line"><${Copy} text=${offer} what="offer" isNamed /><${Copy} text=${link} what="link" isNamed /><${Copy} text=${command} what="command" isNamed /></p><p>For a friend’s terminal: <code>${command}</code></p>
      <h3>Addresses in it</h3><ul>${addresses.map((it) => html`<li><code>${it.address}</code>: ${it.scope}</li>`)}</ul></div>
      ${drawn && html`<svg class="qr" viewBox=${drawn.box} role="img" aria-label="The offer as a QR code"><path d=${drawn.path} /></svg>`}</div>`));
}
