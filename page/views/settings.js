/** Settings, each with its command line. */
import { Act, Copy, Field, brief, call, check, clock, cmd, form, head, html, load, o, panel, problemBox, quiet, readSize, size, useAnswer, useCall, useState, useTab } from '../kit.js';
import { LimitFields } from '../parts/limit_fields.js';
import { stack } from '../parts/pieces.js';
import { windowWords } from '../pure/command.js';
import { DAYS, binding, dayWords, ratesWords, week } from '../pure/hours.js';
import { cacheParts } from '../pure/library.js';

const setLimits = (limits) => call('PUT /v1/limits', {}, limits);

export function Settings() {
  const status = useTab((tab) => tab.status);
  const transfers = useTab((tab) => tab.picture.transfers);
  const stamp = useTab((tab) => tab.picture.changes.library);
  const library = useAnswer('GET /v1/library', {}, stamp);
  const { again, ...sessions } = useAnswer('GET /v1/sessions');
  if (!status) return html`${head('Settings')}${quiet('Reading…')}`;
  const { limits, now, peer } = status;
  const binds = binding(status, [...transfers.values()]);
  const end = async (id) => (await call('DELETE /v1/sessions/{id}', { id }), again());
  return html`${head('Settings')}
    ${panel('Limits', html`<p>At this hour: ${ratesWords(now)}. ${binds.size === 0 && 'No limit holds anything back.'}</p>
      <${LimitFields} key=${JSON.stringify(limits)} limits=${limits} names=${['down', 'up', 'slots', 'peer_day_bytes', 'cache_bytes', 'storage_bytes']} words=${['limits', 'set']} binds=${binds} save=${setLimits} />`)}
    <${Hours} key=${limits.schedule.length} limits=${limits} />
    ${panel('Cache', load(library, (entries) => {
      const parts = Object.entries(cacheParts(entries));
      const sum = parts.reduce((all, [, bytes]) => all + bytes, 0);
      const free = limits.cache_bytes == null ? [] : [['free', Math.max(0, limits.cache_bytes - sum)]];
      return stack([...parts, ...free].map(([name, bytes]) => [`${size(bytes)} ${name}`, bytes]));
    }), cmd('library', 'prune'))}
    ${panel('Sessions of this page', load(sessions, (list) => html`<ul class="picks">${list.map((it) => html`<li key=${it.id}><span>Session ${it.id}${it.current && ', this one'} <span class="quiet">since ${clock(it.created_utc)}, used ${clock(it.last_used_utc)}</span></span><${Act} label="End" about=${`session ${it.id}`} done="Ended." run=${() => end(it.id)} /></li>`)}</ul>`), cmd('companion', 'sessions', 'revoke', '--all'))}
    ${panel('Identity', html`<p>${peer ? html`Peers know this machine as ${brief(peer, 16)} <${Copy} text=${peer} what="peer id" />` : 'The first transfer makes one.'}</p>`, cmd('id', 'show'))}`;
}

/** @param {{ limits: Api.Limits }} props */
function Hours({ limits }) {
  const { schedule } = limits;
  const [texts, type] = useState({ from: '22', to: '7', down: '', up: '' });
  const [paused, pause] = useState(false);
  const [days, name] = useState(/** @type {Api.Weekday[]} */ ([]));
  const { problem, isBusy, run } = useCall();
  const [down, up] = [readSize(texts.down), readSize(texts.up)];
  const [from, to] = [Number(texts.from), Number(texts.to)];
  const isRight = /^\d+,\d+$/.test(`${texts.from},${texts.to}`) && from < 24 && to < 25 && from !== to && down !== undefined && up !== undefined;
  const window = { from, to, days, paused, up: paused ? null : up, down: paused ? null : down };
  const field = (name, label) => html`<${Field} label=${label} value=${texts[name]} disabled=${paused && !(name in { from, to })} onInput=${(text) => type({ ...texts, [name]: text })} />`;
  const kind = (it) => (it.paused ? 'paused' : it.up != null || it.down != null ? 'limited' : 'free');
  return panel('Hours', html`<p class="hint">Hours of the companion’s machine, the first window that holds counts. This browser is in ${Intl.DateTimeFormat().resolvedOptions().timeZone}.</p>
    <ul class="hours">${week(limits).map((hours, at) => html`<li><b>${DAYS[at]}</b><span class="unseen"> ${dayWords(hours)}</span>${hours.map((it, hour) => html`<i class=${kind(it)} title=${ratesWords(it)} aria-hidden="true">${hour}</i>`)}</li>`)}</ul>
    <ul class="legend">${[['free', 'no limit'], ['limited', 'limited'], ['paused', 'nothing moves']].map(([name, words]) => html`<li><i class=${name} />${words}</li>`)}</ul>
    <ul class="picks">${schedule.map((it, at) => html`<li><span>${it.days?.join(' ')} ${it.from}:00 to ${it.to}:00: ${ratesWords(it)}</span><${Act} label="Remove" about=${`${it.from} to ${it.to}`} done="Removed." run=${() => setLimits({ ...limits, schedule: schedule.filter((one) => one !== it) })} /></li>`)}</ul>
    ${form(() => run(() => setLimits({ ...limits, schedule: [...schedule, window] }), 'The window holds from now on.'), html`<h3>Add a window</h3><div class="grid">${field('from', 'From hour')}${field('to', 'To hour')}${field('down', 'Down a second')}${field('up', 'Up a second')}</div>
      <fieldset class="line"><legend>On these days; none: every day</legend>${DAYS.map((it) => check(days.includes(it), () => name(DAYS.filter((one) => days.includes(one) !== (one === it))), it))}</fieldset>
      ${check(paused, () => pause(!paused), 'Nothing moves')}${problemBox(problem)}<button disabled=${!isRight || isBusy}>Add the window</button> ${isRight && cmd(...windowWords(window))}`)}
    <p>${cmd('limits', 'schedule', 'clear')}</p>`);
}
