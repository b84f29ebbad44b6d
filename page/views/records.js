/** Records: receipts, blame, consents and known publishers. */
import { Act, Copy, Field, brief, call, chip, choice, clock, cmd, facts, head, html, load, o, outcome, panel, quiet, row, save, size, table, to, useAnswer, useState, useTab } from '../kit.js';
import { matches } from '../pure/library.js';
import { Consents } from './consents.js';

const PARTS = { receipts: Receipts, blame: Blame, consent: Consents, publishers: Publishers };

export function Records({ word, rest }) {
  const Part = Object.hasOwn(PARTS, word) ? PARTS[word] : Receipts;
  return html`${head('Records')}<nav class="choice" aria-label="Records">${Object.entries(PARTS).map(([name, part]) => html`<a href=${to('records', name)} aria-current=${part === Part ? 'page' : undefined}>${name}</a>`)}</nav>
    ${word === 'receipts' && rest ? html`<${OneReceipt} key=${rest} id=${rest} />` : html`<${Part} />`}`;
}

function Receipts() {
  const stamp = useTab((tab) => tab.picture.changes.library);
  const [text, search] = useState('');
  const shown = (list) => list.filter((it) => matches(text, it.model_id, it.model_version, it.swarm_id));
  return html`<${Field} label="Filter" type="search" value=${text} onInput=${search} />${load(useAnswer('GET /v1/receipts', {}, stamp), (list) =>
    list.length === 0 ? quiet('No receipt. Each import writes one beside the file.') : html`<ul class="rows">${shown(list).map((it) => row({
      key: it.id,
      href: to('records', 'receipts', it.id),
      name: o(`${it.model_id} ${it.model_version}`, 100),
      kind: clock(it.time_utc),
      said: html`${chip(it.ok ? 'done' : 'fails', it.ok ? 'passed' : 'not valid')} ${o(it.path)}`,
      amount: size(it.bytes),
    }))}</ul>`)}`;
}

function OneReceipt({ id }) {
  const [word, choose] = useState('all');
  return html`<p><a href=${to('records', 'receipts')}>All receipts</a></p>${load(useAnswer('GET /v1/receipts/{id}', { id }), ({ receipt, text }) => {
    const { checks = [], peers = [] } = /** @type {any} */ (receipt);
    return html`${panel('Checks', choice('Which checks are listed', ['all', 'pass', 'warn'], word, choose),
        html`<ul>${checks.filter((it) => word === 'all' || it.outcome === word).map((it) => html`<li>${outcome(it.outcome)} <strong>${o(it.name)}</strong> ${o(it.detail)}</li>`)}</ul>`)}
      ${panel('Bytes by peer', peers.length === 0 ? quiet('None of its bytes came from a peer.') : table('Bytes by peer', ['Peer', 'Bytes', 'Chunks', 'Rejected for'], peers.map((it) => [brief(it.peer ?? it.id, 16), size(it.bytes), it.chunks, o(String(it.rejected ?? ''))])))}
      ${panel('The receipt', html`<pre tabindex="0" aria-label="Text of the receipt">${text.split('\n').map((line) => [o(line), '\n'])}</pre>`, save('Save the receipt', 'receipt.txt', text))}`;
  })}`;
}

function Blame() {
  const { again, ...list } = useAnswer('GET /v1/blame');
  const lift = async (id) => (await call('DELETE /v1/blame/{id}', { id }), again());
  return html`${quiet('A peer is banned for what can be proven: a wrong chunk, a broken rule. A slow or lost line never bans.')}
    ${load(list, (bans) => (bans.length === 0 ? html`<p>No peer is banned.</p>` : bans.map((it) => html`<section class="panel" key=${it.id}><h2>${chip(it.active ? 'fails' : 'rests', it.active ? 'banned' : 'ended')} ${o(it.reason)}</h2>
      ${facts([
        ['Peer', html`${brief(it.peer, 16)} <${Copy} text=${it.peer} what="peer id" />`],
        ['Swarm', brief(it.swarm_id, 16)],
        ['When', `${clock(it.set_utc)} to ${clock(it.until_utc)}`],
        ['Chunk', it.chunk ?? 'no chunk'],
        ['Expected', html`<code>${it.expected ?? 'not known'}</code>`],
        ['Got', html`<code>${it.got ?? 'not known'}</code>`],
      ])}${it.active && html`<${Act} label="Lift the ban" agree="Yes, lift it" done="Lifted." run=${() => lift(it.id)} asks=${html`It was banned for this: ${o(it.reason)}. It may connect again; each chunk is proven before it is kept.`} />`} ${cmd('blame', 'clear', it.peer)}</section>`)))}`;
}

function Publishers() {
  const { again, ...list } = useAnswer('GET /v1/publishers');
  const pin = async (id, key) => (await call('PUT /v1/publishers/{id}/pin', { id }, { key }), again());
  const forget = async (id) => (await call('DELETE /v1/publishers/{id}', { id }), again());
  return html`${quiet('A key is known from the first import on. What another key signed is refused until you accept it.')}
    ${load(list, (all) => (all.length === 0 ? html`<p>No publisher is known yet.</p>` : all.map(({ id, pinned, keys }) => panel(o(id), html`<ul class="picks">${keys.map((it) => html`<li><span>${brief(it.key, 24)} <${Copy} text=${it.key} what="key" /> <span class="quiet">since ${clock(it.first_seen_unix)}, by ${it.by} ${o(it.model)}</span></span>
      ${it.key === pinned ? chip('done', 'pinned') : html`<${Act} label="Pin" about=${it.key} done="Pinned." asks=${html`From then on nothing that another key signed as ${o(id)} is taken.`} run=${() => pin(id, it.key)} />`}</li>`)}</ul>
      <${Act} label="Forget" about=${id} done="Forgotten." asks="The next key of this publisher is then new again, and no alarm." run=${() => forget(id)} /> ${cmd('publisher', 'forget', id)}`))))}`;
}
