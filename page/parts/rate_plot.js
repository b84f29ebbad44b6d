/** The rate plot: two lines over ten minutes or a day, and the same as a table. */
import { means, polylines, top } from '../pure/plot.js';
import { clock, duration, rate } from '../pure/words.js';
import { useState } from '../vendor/hooks.js';
import { useAnswer, useTick } from './answer.js';
import { choice, html, load, table } from './pieces.js';

const SPANS = { '10 minutes': 600, '24 hours': 86400 };
const ROWS = 12;

/** @param {{ id?: number }} props The transfer; none: all together. */
export function RatePlot({ id }) {
  const [name, choose] = useState('10 minutes');
  const span = SPANS[name];
  const stamp = useTick(span === 600 ? 2000 : 60_000);
  const of = useAnswer(id === undefined ? 'GET /v1/history' : 'GET /v1/transfers/{id}/history', /** @type {any} */ (id === undefined ? { span } : { id, span }), stamp);
  return html`${choice('Time of the plot', Object.keys(SPANS), name, choose)}${load(of, (history) => html`<${Lines} history=${history} />`)}`;
}

/** @param {{ history: Api.RateHistory }} props */
function Lines({ history: { down, up, span, from_unix } }) {
  const [isOpen, open] = useState(false);
  const most = Math.max(0, ...[...down, ...up].map((it) => it ?? 0));
  const scale = top(most);
  const line = (name, values) => polylines(values, 600, 120, scale).map((points) => html`<polyline class=${name} points=${points} />`);
  const now = (values) => rate(values.at(-1) ?? 0);
  const words = `Rates of the last ${duration(span)}, at most ${rate(most)}`;
  const mean = (values) => means(values, ROWS).map((it) => (it === null ? 'nothing ran' : rate(it)));
  const [downs, ups] = isOpen ? [mean(down), mean(up)] : [[], []];
  return html`<figure><div class="plot">
      <svg viewBox="0 0 600 120" preserveAspectRatio="none" role="img" aria-label=${words}><title>${words}</title><path class="scale" d="M0 1H600M0 60H600M0 119H600" />${line('down', down)}${line('up', up)}</svg>
      <span class="top">${rate(scale)}</span><span class="middle">${rate(scale / 2)}</span><span class="from">${duration(span)} ago</span><span class="to">now</span></div>
    <figcaption><span class="key">down ${now(down)}</span><span class="key up">up ${now(up)}</span></figcaption>
    <details onToggle=${(event) => open(event.currentTarget.open)}><summary>The same as a table</summary>
      ${table('Rates', ['From', 'Down, mean', 'Up, mean'], downs.map((it, at) => [clock(from_unix + (span / ROWS) * at), it, ups[at]]))}</details></figure>`;
}
