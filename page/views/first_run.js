/** The first run: what to do on an empty page. */
import { cmd, html, panel, quiet, shell, to } from '../kit.js';

export const firstRun = () => panel('Nothing is here yet', html`<ol>
  <li><h3>Fetch a model</h3><p>Ask a peer that has it for an offer, a word that begins with mm1.</p><a class="button main" href=${to('transfers', 'add')}>Fetch a model</a></li>
  <li><h3>Share a file of yours</h3><p>A manifest names its bytes, license and evidence; a terminal makes one.</p>${cmd('manifest', 'create', '--help')} <a class="button" href=${to('models', 'add')}>Add a file of yours</a></li>
  <li><h3>See it work first</h3><p>The demo moves a made-up file between two users of this machine, each with a page like this one and a temporary folder.</p>${shell('minimodel demo --page')}</li></ol>`,
  quiet('Nothing is fetched, served, kept or announced before you agree to that very action.'));
