/** Health: what is wrong or slow and what to do, and a report to hand on. */
import { Copy, clock, cmd, counted, head, html, load, o, outcome, panel, quiet, useAnswer, useTab } from '../kit.js';
import { times } from '../parts/of_transfer.js';
import { report } from '../pure/report.js';

const ORDER = ['fail', 'warn', 'ok'];

export function Health() {
  const { again, ...doctor } = useAnswer('GET /v1/doctor');
  const status = useTab((tab) => tab.status);
  const transfers = [...useTab((tab) => tab.picture.transfers).values()];
  const { answer } = doctor;
  return html`${head('Health', html`<button type="button" onClick=${again}>Look again</button>`, answer && status && html`<${Copy} text=${report(status, answer, transfers)} what="report" isNamed />`)}
    ${status && quiet(`minimodel ${status.version}, process ${status.pid}, since ${clock(status.started_utc)}`)}
    ${panel('Findings', load(doctor, (list) => html`<p>${counted(list.filter((it) => it.outcome !== 'ok').length, 'finding')} to look at.</p>
      <ul class="picks">${[...list].sort((a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome)).map((it) => html`<li><div>${outcome(it.outcome)} <strong>${o(it.name)}</strong>: ${o(it.detail, 1000)}${it.hint && html`<p class="quiet">Next: ${o(it.hint, 1000)}</p>`}</div></li>`)}</ul>`), cmd('doctor'))}
    ${panel('Where the time went', times(transfers))}
    <p class="hint">The report names no model, and shortens peers, addresses and your home folder.</p>`;
}
