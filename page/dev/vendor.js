/** Makes the vendored modules from their packages: node dev/vendor.js NODE_MODULES FOLDER. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const [, , packages, folder] = process.argv;

const FILES = {
  'LICENSE-htm': 'htm/LICENSE',
  'LICENSE-preact': 'preact/LICENSE',
  'hooks.js': 'preact/hooks/dist/hooks.mjs',
  'htm.js': 'htm/dist/htm.mjs',
  'preact.js': 'preact/dist/preact.mjs',
};

mkdirSync(folder, { recursive: true });
let hashes = '';
for (const [name, from] of Object.entries(FILES)) {
  const text = readFileSync(`${packages}/${from}`, 'utf8')
    .replace(/^\/\/# sourceMappingURL=.*\n?/m, '')
    .replace('from"preact"', 'from"./preact.js"');
  writeFileSync(`${folder}/${name}`, text);
  hashes += `${createHash('sha256').update(text).digest('hex')}  ${name}\n`;
}
writeFileSync(`${folder}/HASHES`, hashes);
