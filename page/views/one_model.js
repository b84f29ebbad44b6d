/** One version of a model: where it comes from, whether it fits, what can be done. */
import { Act, Copy, brief, call, chip, clock, cmd, facts, goTo, head, html, o, outcome, panel, size, to, useAnswer, useTab } from '../kit.js';
import { fit } from '../pure/library.js';
import { fields, provenance, signature, toAccept } from '../pure/manifest.js';
import { TONES, share } from './models.js';

/** @param {{ id: number, entries: Api.Entry[] }} props */
export function OneModel({ id, entries }) {
  const it = entries.find((one) => one.id === id);
  const back = html`<a href=${to('models')}>All models</a>`;
  return it ? html`${head(o(`${it.model_id} ${it.model_version}`, 120), back)}<${Card} it=${it} />` : html`${head(`Model ${id}`, back)}<p>It is not in the library.</p>`;
}

/** @param {{ it: Api.Entry }} props */
function Card({ it }) {
  const { id, model_id } = it;
  const transfers = useTab((tab) => tab.picture.transfers);
  const { answer } = useAnswer('GET /v1/library/{id}/manifest', { id });
  const name = `${model_id}@${it.model_version}`;
  const key = toAccept(it.publisher);
  const { words, isAlarm } = signature(it.publisher);
  const isReady = it.state === 'ready';
  const copied = (text, what) => html` <${Copy} text=${text} what=${what} />`;
  const forget = async () => (await call('DELETE /v1/library/{id}', { id }), goTo('models'));
  const [tone, word] = fit(it.fits);
  return html`<section class="panel" aria-label="What can be done"><p>${chip(TONES[it.state], it.state)} ${o(it.reason)}</p><div class="line">
      ${isReady && html`<${Act} label="Share" kind="main" done="The share serves nothing before you agree." run=${() => share({ entry: id })} />`}
      ${isReady && !it.active && html`<${Act} label="Activate" done="It is the active version." asks=${key && html`Its manifest is signed as ${o(key)}, not by the known key. Accept this signer?`} run=${() => call('POST /v1/library/{id}/activate', { id }, key ? { accept_publisher_key: key } : undefined)} />`}
      ${it.active && html`<${Act} label="Roll back" done="The version before is active." run=${() => call('POST /v1/models/{model_id}/rollback', { model_id })} />`}
      ${it.pinned ? html`<${Act} label="Unpin" done="It may be evicted." run=${() => call('DELETE /v1/library/{id}/pin', { id })} />` : html`<${Act} label="Pin" done="It is kept from eviction." run=${() => call('PUT /v1/library/{id}/pin', { id })} />`}
      ${it.path && html`<${Act} label="Check again" done="The check has ended." run=${() => call('POST /v1/library/{id}/verify', { id })} />`}
      <${Act} label="Forget" done="Forgotten." run=${forget} asks=${it.cached ? 'The file is deleted with its receipt: it is in the library’s own folder.' : 'The entry goes; a file of your own stays where it is.'} /></div>
      <details><summary>Commands</summary>${['activate', it.pinned ? 'unpin' : 'pin', 'verify', 'remove'].map((verb) => html`<p>${cmd('library', verb, name)}</p>`)}<p>${cmd('library', 'rollback', model_id)}</p></details></section>
    ${panel('Where it comes from', facts([
      ['Publisher', html`<strong>${o(it.publisher_id)}</strong>`],
      ['Signature', html`<span class=${isAlarm && 'alarm'}>${words}</span> ${it.publisher?.key && html`${brief(it.publisher.key, 16)}${copied(it.publisher.key, 'key')}`}`],
      ...(answer ? provenance(fields(answer)).map(([label, value]) => [label, o(value)]) : []),
      ['Swarm', html`${brief(it.swarm_id, 16)}${copied(it.swarm_id, 'swarm id')}`],
    ]))}
    ${panel('Where it is', facts([
      ['Path', it.path ? html`${o(it.path)}${copied(it.path, 'path')}` : 'not here'],
      ['Whose file', it.cached ? 'the library’s: it may be evicted' : 'yours: nothing moves or deletes it'],
      ['Used', `${clock(it.used_utc)}, added ${clock(it.added_utc)}`],
      ['Transfers', [...transfers.values()].filter((one) => one.swarm_id === it.swarm_id).map((one) => html`<a href=${to('transfers', one.id)}>${one.kind} ${one.id}</a> `)],
    ]), html`<p class="hint">Copy the path into the program that opens it, or use ${cmd('library', 'path', name)} The page opens and runs nothing.</p>`)}
    ${panel('This machine', chip(tone, word), html`<ul>${it.fits.checks.map((one) => html`<li>${outcome(one.outcome)} ${o(one.name)}: needs ${o(one.needs)}, this machine has ${o(one.has)}</li>`)}</ul>`)}`;
}
