/** Questions for consent: a box an action, none ticked, time and amount beside them, buttons that are inactive at first. */
import { Act, Field, call, check, cmd, facts, form, html, listed, o, panel, problemBox, readSize, useArmed, useCall, useState } from '../kit.js';
import { toAccept } from '../pure/manifest.js';

/** @type {Record<Api.Action, string>} */
const ACTIONS = {
  fetch: 'ask those peers for the file, and take its bytes',
  import: 'check the file, and put it into its place',
  cache: 'keep the file in the library’s own folder',
  serve: 'send the file’s bytes to peers that ask',
  publish: 'let peers pass on that this machine has the file, and where',
  lan: 'look on the network at hand; with publish, be found there by whoever has the manifest',
  dht: 'ask the public DHT; with publish, be found there: whoever has the manifest sees this address',
  executable: 'take a file that can run code when a program loads it',
  map: 'have the router let others in at one port, while this runs',
};

/** Hours that a consent lasts. */
const TIMES = { 'until you take it back': 0, '1 hour': 1, '24 hours': 24, '7 days': 168, '30 days': 720 };

/** @param {{ it: Api.Transfer, onDone: (isYes: boolean) => void }} props */
export function ConsentForm({ it, onDone }) {
  const { id, kind } = it;
  const { needs, may, subject, has_consents } = it.question ?? { needs: [], may: [], subject: [], has_consents: true };
  const [actions, tick] = useState(/** @type {Api.Action[]} */ ([]));
  const [hours, last] = useState(0);
  const [amount, bound] = useState('');
  const [accepted, accept] = useState(/** @type {string | null} */ (null));
  const isArmed = useArmed();
  const { problem, isBusy, run } = useCall();
  const key = toAccept(it.publisher);
  const isAccepted = accepted === key;
  const quota = readSize(amount);
  const missing = needs.filter((action) => !actions.includes(action));
  const isReady = isArmed && !isBusy && missing.length === 0 && actions.length > 0 && quota !== undefined && (!key || isAccepted);
  const agree = async () => {
    const expires_unix = hours > 0 ? Math.floor(Date.now() / 1000) + hours * 3600 : null;
    const consent = { actions, by: 'page', expires_unix, quota_bytes: quota, ...(key && { accept_publisher_key: key }) };
    if (await run(() => call('POST /v1/transfers/{id}/consent', { id }, consent), `You agreed to ${listed(actions)}.`)) onDone(true);
  };
  // Forgetting it would end what was agreed to before.
  const isNew = !has_consents;
  const no = () => (isNew ? call('DELETE /v1/transfers/{id}', { id }) : call('POST /v1/transfers/{id}/pause', { id }));
  const refuse = async () => (await run(no, isNew ? 'Refused and forgotten.' : 'Refused and paused.')) && onDone(false);
  const box = (action) => check(actions.includes(action), () => tick(actions.includes(action) ? actions.filter((one) => one !== action) : [...actions, action]),
    html`<strong>${action}</strong>: ${ACTIONS[action]}${may.includes(action) && ' (may be left out)'}`);
  return html`${panel('What it is', facts(subject.map(([label, value]) => [o(label), o(value)])))}
    <section class="panel"><h2>What you agree to</h2>${form(agree, html`
      <fieldset><legend>Each action by itself</legend>${[...needs, ...may].map(box)}</fieldset>
      <div class="grid">
        <${Field} label="For how long" as="select" value=${hours} onInput=${(text) => last(Number(text))}>${Object.entries(TIMES).map(([name, value]) => html`<option value=${value}>${name}</option>`)}<//>
        <${Field} label="For how many bytes" value=${amount} placeholder="any number" onInput=${bound} aria-invalid=${quota === undefined} hint="As 10GiB, counted for fetch and for serve" /></div>
      ${key && keyBox(it, key, isAccepted, accept)}
      <p>${kind === 'share' ? 'If you say no, nothing is opened, and no peer can ask for the file.' : 'If you say no, nothing is contacted, fetched or written.'}</p>
      <p class="hint">You can take a consent back at any time under Records, Consent; it ends with this ${kind}.</p>${problemBox(problem)}
      <div class="line"><button type="button" disabled=${!isArmed || isBusy} onClick=${refuse}>No, ${isNew ? 'forget' : 'pause'} it</button><button class="main" disabled=${!isReady}>Agree</button>
        <span class="hint">${missing.length > 0 && `Not ticked: ${listed(missing)}`}</span></div>${cmd('transfer', 'start', id)}`)}</section>`;
}

/** The box for another signer than the known one. */
const keyBox = (it, key, isAccepted, accept) => html`<fieldset class="alarm"><legend>Another signer than the known one</legend>
  <p>Ask ${o(it.publisher.id)} by a way that you trust whether this is right. Known: ${it.publisher.known.map((one) => html`<code>${one.key}</code> `)}</p>
  ${check(isAccepted, () => accept(isAccepted ? null : key), html`Accept <code>${key}</code>`)}</fieldset>`;

/** Accepts the signer of a transfer that was refused for it. @param {{ it: Api.Transfer }} props */
export function AcceptKey({ it }) {
  const { id } = it;
  const [accepted, accept] = useState(/** @type {string | null} */ (null));
  const key = toAccept(it.publisher);
  const isAccepted = accepted === key;
  const run = () => call('POST /v1/transfers/{id}/consent', { id }, { actions: [], by: 'page', accept_publisher_key: key });
  return html`<section class="panel">${keyBox(it, key, isAccepted, accept)}
    ${isAccepted && html`<${Act} label="Go on" done="Accepted." asks="The file is then taken on the word of this signer." run=${run} />`} ${cmd('transfer', 'start', id, '--accept-publisher-key', key)}</section>`;
}
