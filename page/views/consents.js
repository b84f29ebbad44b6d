/** Consents: the grants, the log, and whether its chain holds. */
import { Act, Copy, brief, call, check, chip, clock, cmd, counted, html, load, o, panel, quiet, save, size, useAnswer, useState, useTab } from '../kit.js';

/** @param {Api.Grant} it */
function bounds(it) {
  const bytes = it.quota_bytes == null ? `${size(it.used_bytes)} moved` : `${size(Math.max(0, it.quota_bytes - it.used_bytes))} of ${size(it.quota_bytes)} left`;
  return `${bytes}, until ${it.expires_unix == null ? 'you take it back' : clock(it.expires_unix)}; given ${clock(it.given_utc)} by ${it.by}${it.state === 'active' ? '' : `; ${it.state}`}`;
}

/** @param {Api.Grant[]} grants */
export const grantRows = (grants) =>
  grants.length === 0 ? quiet('None.') : html`<ul class="picks">${grants.map((it) => html`<li key=${it.id}><span><strong>${it.action}</strong> ${it.model ? html`model ${brief(it.model)}` : 'any model'}, ${it.peer ? html`peer ${brief(it.peer)}` : 'any peer'} <span class="quiet">${bounds(it)}</span></span>
    ${it.state === 'active' && html`<${Act} label="Take back" about=${`${it.action}, number ${it.id}`} done="Taken back. What ran under it alone stops." run=${() => call('DELETE /v1/grants/{id}', { id: it.id })} />`}</li>`)}</ul>`;

export function Consents() {
  const stamp = useTab((tab) => tab.picture.changes.consent);
  const grants = useAnswer('GET /v1/grants', {}, stamp);
  const log = useAnswer('GET /v1/consent/log', {}, stamp);
  const verdict = useAnswer('GET /v1/consent/verify', {}, stamp);
  const [isAll, all] = useState(false);
  return html`${panel('What you permit', load(grants, (list) => grantRows(list.filter((it) => isAll || it.state === 'active').reverse())), check(isAll, () => all(!isAll), 'Also those that ended'),
      html`<p class="hint">A terminal gives one that lasts, for a model, a peer, a time or an amount:</p>`, cmd('consent', 'grant', 'serve', '--for', '24h', '--quota', '10GiB'))}
    ${panel('The consent log', load(verdict, ({ ok, entries, head, fault }) => html`<p>${chip(ok ? 'done' : 'fails', ok ? 'the chain holds' : 'damaged')} ${counted(entries, 'line')}. ${o(fault)}</p>
        <p>Head ${brief(head, 16)} <${Copy} text=${head} what="head" /> <span class="hint">Kept elsewhere, it shows later that nothing before it was rewritten.</span></p>`),
      load(log, (lines) => html`<ul class="log" tabindex="0" aria-label="The latest lines">${lines.slice(-100).reverse().map((it) => html`<li>${it.number} <span class="quiet">${clock(it.time_utc)}</span> ${o(it.text)}</li>`)}</ul>
        ${save('Save the log', 'consent-log.txt', lines.map((it) => `${it.number}\t${it.time_utc}\t${it.kind}\t${it.text}\n`).join(''))}`), ' ', cmd('consent', 'log', '--verify'))}`;
}
