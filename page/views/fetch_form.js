/** The form that begins a fetch; what it may do is asked on the next screen. */
import { Field, call, check, form, goTo, html, problemBox, useCall, useState } from '../kit.js';
import { PathField } from '../parts/paths.js';

export function FetchForm() {
  const [text, type] = useState('');
  const [out, into] = useState(/** @type {string | null} */ (null));
  const { problem, isBusy, run } = useCall();
  // The offers, also out of a link or a pasted command.
  const offers = text.match(/\bmm1\w+/g) ?? [text.trim()];
  const submit = () =>
    run(async () => {
      const it = await call('POST /v1/fetches', {}, { offers, out });
      goTo(it.question ? 'requests' : 'transfers', it.id);
    }, 'The fetch is there.');
  return html`<section class="panel"><h2>Fetch a model</h2>${form(submit, html`
    <${Field} label="Offers" as="textarea" rows="3" value=${text} onInput=${type} hint="Words that begin with mm1, from peers that have the file. More offers, more peers." />
    <fieldset><legend>Into</legend>
      ${check(out === null, () => into(null), 'the library, which may evict it later', 'radio')}${check(out !== null, () => into(''), 'a folder of yours, where it stays', 'radio')}
      ${out !== null && html`<${PathField} label="Folder" path=${out} onPick=${into} />`}</fieldset>
    ${problemBox(problem)}<p><button class="main" disabled=${isBusy || !text.trim() || out === ''}>Show what it is</button> <span class="hint">The next screen asks what it may do. Nothing is contacted before.</span></p>`)}</section>`;
}
