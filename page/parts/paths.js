/** Fields for a file or a folder of this machine. */
import { size } from '../pure/words.js';
import { useState } from '../vendor/hooks.js';
import { Field, cmd } from './actions.js';
import { useAnswer } from './answer.js';
import { html, load, o } from './pieces.js';

/** Largest manifest, bytes. */
const MOST = 65_536;

/** A field that reads a manifest in the browser. */
export function ManifestField({ onRead }) {
  const [isWrong, warn] = useState(false);
  const read = async (_, { files: [file] }) => {
    warn(file?.size > MOST);
    onRead(file?.size <= MOST ? await file.text() : '');
  };
  return html`<${Field} label="Manifest" type="file" onInput=${read} aria-invalid=${isWrong} hint=${isWrong ? 'This is no manifest: it has more than 64 KiB.' : 'The .minimodel file; the companion gets its text.'} />`;
}

/** A field for a path, with the folders that the user opened to the page. */
export function PathField({ label, path, isFolder = false, onPick }) {
  const [isOpen, open] = useState(false);
  return html`<div><${Field} label=${label} value=${path} onInput=${onPick} hint="The whole path on the companion’s machine." />
    <button type="button" aria-expanded=${isOpen} onClick=${() => open(!isOpen)}>Browse</button>${isOpen && html`<${Browser} isFolder=${isFolder} onPick=${onPick} />`}</div>`;
}

function Browser({ isFolder, onPick }) {
  const [under, go] = useState(/** @type {string | undefined} */ (undefined));
  const link = (text, onClick) => html`<button type="button" class="link" onClick=${onClick}>${o(text)}</button>`;
  return load(useAnswer('GET /v1/files', { under }), ({ roots, entries }) =>
    roots.length === 0
      ? html`<p>No folder is open to the page. A terminal opens one: ${cmd('companion', 'folders', 'add', 'PATH')}</p>`
      : html`<ul class="browser">${roots.map((root) => html`<li>${link(root, () => go(root))}</li>`)}
          ${isFolder && under && html`<li><button type="button" onClick=${() => onPick(under)}>Use ${o(under)}</button></li>`}
          ${entries.filter((it) => it.is_dir || !isFolder).map((it) => html`<li>${link(it.is_dir ? `${it.name}/` : it.name, () => (it.is_dir ? go(it.path) : onPick(it.path)))} <span class="quiet">${!it.is_dir && size(it.bytes)}</span></li>`)}</ul>`,
  );
}
