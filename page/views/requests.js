/** Requests: a screen for each transfer that waits for an answer. */
import { counted, goTo, head, html, o, quiet, to, useTab } from '../kit.js';
import { nameOf } from '../parts/of_transfer.js';
import { signature } from '../pure/manifest.js';
import { asking } from '../pure/picture.js';
import { ConsentForm } from './consent_form.js';

export function Requests({ id }) {
  const open = asking(useTab((tab) => tab.picture));
  const it = id === null ? open[0] : open.find((one) => one.id === id);
  if (!it) {
    return html`${head('Requests')}<p>${id === null ? 'Nothing asks for your consent.' : 'This question is answered, or gone.'} ${open.length > 0 && html`<a href=${to('requests')}>${counted(open.length, 'question')} left</a>`}</p>
      ${quiet('What a fetch or a share may do is asked here, before anything is contacted, opened or written.')}`;
  }
  const at = open.indexOf(it);
  const { words, isAlarm } = signature(it.publisher);
  return html`${head(html`${it.kind === 'share' ? 'Share' : 'Fetch'} ${o(nameOf(it), 120)}?`, html`<span class="quiet">Question ${at + 1} of ${open.length}${open.length > 1 && html`, <a href=${to('requests', open[(at + 1) % open.length].id)}>the next one</a>`}</span>`)}
    ${it.publisher && html`<p class=${isAlarm && 'problem'}>Publisher <strong>${o(it.publisher.id)}</strong>: ${words}.</p>`}
    <${ConsentForm} key=${JSON.stringify([it.id, it.question])} it=${it} onDone=${(isYes) => (isYes ? goTo('transfers', it.id) : goTo('requests'))} />`;
}
