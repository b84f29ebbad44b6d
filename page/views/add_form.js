/** The form that adds a file of the user's own. */
import { call, check, facts, form, goTo, html, o, panel, problemBox, useCall, useState } from '../kit.js';
import { FileField, ManifestField, useManifest } from '../parts/paths.js';
import { fields, provenance, signer } from '../pure/manifest.js';

export function AddForm() {
  const chosen = useManifest();
  const { manifest } = chosen;
  const [path, pick] = useState('');
  const [accepted, accept] = useState(/** @type {string | null} */ (null));
  const { problem, isBusy, run } = useCall();
  const said = fields(manifest);
  const key = signer(said);
  const isAccepted = accepted !== null && accepted === key;
  const body = { manifest, path: path || null, ...(isAccepted && { accept_publisher_key: key }) };
  const submit = () => run(async () => goTo('models', (await call('POST /v1/library', {}, body)).id), 'Added.');
  return panel('Add a file of yours', form(submit, html`<${ManifestField} chosen=${chosen} />
    ${manifest && html`<p><strong>${o(said.get('model.id'))} ${o(said.get('model.version'))}</strong> by ${o(said.get('publisher.id'))}</p>${facts(provenance(said).map(([label, value]) => [label, o(value)]))}`}
    <${FileField} path=${path} onPick=${pick} chosen=${chosen} /><p class="hint">It is read in full and stays where it is. Without a file the manifest alone is added.</p>
    ${problemBox(problem)}${problem?.status === 412 && check(isAccepted, () => accept(isAccepted ? null : (key ?? null)), html`Accept the signer ${o(key)}`)}
    <button class="main" disabled=${isBusy || !manifest}>${isBusy ? 'Checking the file…' : 'Check and add'}</button>`));
}
