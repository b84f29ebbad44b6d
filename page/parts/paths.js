/** Fields for a file or a folder of this machine. */
import { useState } from '../vendor/hooks.js';
import { Field } from './actions.js';
import { html } from './pieces.js';

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

/** A field for a path on the companion's machine. */
export function PathField({ label, path, onPick }) {
  return html`<${Field} label=${label} value=${path} onInput=${onPick} hint="The whole path on the companion’s machine." />`;
}
