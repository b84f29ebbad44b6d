/** Fields for a file or a folder of this machine. */
import { call } from '../api.js';
import { MODEL_FILE, choices } from '../pure/library.js';
import { size } from '../pure/words.js';
import { useEffect, useRef, useState } from '../vendor/hooks.js';
import { Field, cmd, useCall } from './actions.js';
import { useAnswer } from './answer.js';
import { html, load, o, problemBox } from './pieces.js';

/** Largest manifest, bytes. */
const MOST = 65_536;

/** The text of a manifest that is being chosen, and the name of the one that was read beside a file; empty: the user's own choice. */
export function useManifest() {
  const [[manifest, from], set] = useState(['', '']);
  const choices = useRef(0);
  const read = (text) => {
    choices.current += 1;
    set([text, '']);
  };
  // That of another file goes with it, and one that is read too late is not taken.
  const leave = () => {
    const choice = (choices.current += 1);
    set((one) => (one[1] ? ['', ''] : one));
    return (text, name) => choice === choices.current && set([text, name]);
  };
  return { manifest, from, read, leave };
}

/** A field that reads a manifest in the browser. */
export function ManifestField({ chosen: { from, read: onRead } }) {
  const [isWrong, warn] = useState(false);
  const read = async (_, { files: [file] }) => {
    warn(file?.size > MOST);
    onRead(file?.size <= MOST ? await file.text() : '');
  };
  return html`<${Field} label="Manifest" type="file" onInput=${read} aria-invalid=${isWrong} hint=${isWrong ? 'This is no manifest: it has more than 64 KiB.' : from ? html`${o(from)} beside the file was read; or choose another.` : 'The .minimodel file; the companion gets its text.'} />`;
}

/** A field for a path on the companion's machine. */
export function PathField({ label, path, onPick }) {
  return html`<${Field} label=${label} value=${path} onInput=${onPick} hint="The whole path on the companion’s machine." />`;
}

/**
 * A field for a model file, which can also be chosen in a folder that the user allowed: a press for the folder, one for the file. The
 * manifest of its name beside it is read with it.
 */
export function FileField({ path, onPick, chosen }) {
  const { problem, run } = useCall();
  const type = (text) => {
    onPick(text);
    return chosen.leave();
  };
  const pick = (it, { entries }) => {
    const read = type(it.path);
    const beside = entries.find(({ name }) => name === it.name.replace(MODEL_FILE, '.minimodel'));
    if (beside) run(async () => read(await call('GET /v1/files/manifest', { path: beside.path }), beside.name), 'The manifest beside it was read.');
  };
  const [under, open] = useState(/** @type {string | undefined} */ (undefined));
  const place = useRef(/** @type {any} */ (null));
  const listed = useAnswer('GET /v1/files', { under });
  // The pressed button goes with its list.
  useEffect(() => under && place.current.focus(), [under]);
  const folder = (path, name = path) => html`<li key=${path}><button type="button" onClick=${() => open(path)}>${o(name)}</button></li>`;
  return html`<${PathField} label="Model file" path=${path} onPick=${type} /><div role="group" aria-label="Choose a model file"><p class="hint" ref=${place} tabindex="-1">Or choose it in ${under ? o(under) : 'a folder'}:</p>
    ${load(listed, (files) => files.roots.length === 0 ? html`<p>No folder is allowed for that. ${cmd('companion', 'folders', 'add', 'PATH')}</p>` : html`<ul class="picks">${files.roots.map((root) => folder(root))}
      ${choices(files).map((it) => it.is_dir ? folder(it.path, `${it.name}/`) : html`<li key=${it.path}><button type="button" aria-pressed=${path === it.path} onClick=${() => pick(it, files)}>${o(it.name)} ${size(it.bytes)}</button></li>`)}</ul>${files.more && html`<p>There are more; type the path.</p>`}`)}${problemBox(problem)}</div>`;
}
