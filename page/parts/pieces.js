/** Pieces that only show something. */
import { pieces } from '../pure/harmless.js';
import { html } from './html.js';

export { html };

/** Text from outside: it keeps to itself, and what it hides is shown. */
export const o = (text, most = 400) =>
  html`<bdi>${pieces(text ?? '', most).map((it) => (it.isEscape ? html`<span class="escape">${it.text}</span>` : it.text))}</bdi>`;

/** The first digits of a long id; the whole of it for a pointer. */
export const brief = (id, digits = 8) => html`<code title=${id}>${id.length > digits + 4 ? `${id.slice(0, digits)}…` : id}</code>`;

/** Shapes beside the words, so that no state is told by colour alone. */
const SHAPES = {
  moves: 'M3 2l8 5-8 5z',
  waits: 'M3 2h3v10H3zM8 2h3v10H8z',
  asks: 'M7 1l6 6-6 6-6-6z',
  rests: 'M2 6h10v2H2z',
  done: 'M2 7l2-2 2 3 5-5 2 2-7 6z',
  fails: 'M3 1l4 4 4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4-4-4z',
};

export const chip = (tone, word) => html`<span class="chip ${tone}"><svg viewBox="0 0 14 14" aria-hidden="true"><path d=${SHAPES[tone]} /></svg>${word}</span>`;

export const outcome = (word) => chip({ ok: 'done', pass: 'done', warn: 'asks', unknown: 'rests' }[word] ?? 'fails', word);

export const panel = (title, ...body) => html`<section class="panel"><h2>${title}</h2>${body}</section>`;

export const head = (title, ...more) => html`<header class="head"><h1 tabindex="-1">${title}</h1>${more}</header>`;

export const quiet = (text) => html`<p class="quiet">${text}</p>`;

export const facts = (rows) => html`<dl>${rows.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;

/** A table that scrolls by itself where the screen is narrow. */
export const table = (label, heads, rows) => html`<div class="scroll" role="region" aria-label=${label} tabindex="0"><table>
  <thead><tr>${heads.map((it) => html`<th scope="col">${it}</th>`)}</tr></thead>
  <tbody>${rows.map(([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((it) => html`<td>${it}</td>`)}</tr>`)}</tbody>
</table></div>`;

export const choice = (label, names, chosen, choose) => html`<div class="choice" role="group" aria-label=${label}>
  ${names.map((name) => html`<button type="button" aria-pressed=${name === chosen} onClick=${() => choose(name)}>${name}</button>`)}</div>`;

/** A line of a list, in columns where there is room. @param {Record<string, any>} parts */
export const row = ({ key, href, name, kind, said, amount, rates }) => html`<li class="row" key=${key}>
  <a class="name" href=${href}>${name}</a><span class="kind">${kind}</span><p class="said">${said}</p>
  <span class="amount">${amount}</span><span class="rates">${rates}</span></li>`;

export const bar = (label, part) => html`<progress aria-label=${label} max="100" value=${part} />`;

/** Parts of a whole as a bar, and in words. */
export function stack(parts) {
  const all = parts.reduce((sum, [, part]) => sum + part, 0) || 1;
  let x = 0;
  return html`<svg class="stack" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      ${parts.map(([, part], at) => html`<rect class=${`part-${at % 5}`} x=${(x += (part * 100) / all) - (part * 100) / all} width=${(part * 100) / all} height="10" />`)}</svg>
    <ul class="legend">${parts.map(([words], at) => html`<li><i class=${`part-${at % 5}`} />${words}</li>`)}</ul>`;
}

/** A failure with its next step. */
export const problemBox = (problem) =>
  problem && html`<div class="problem" role="alert"><p><strong>${o(problem.message)}</strong></p>${problem.why && html`<p>${o(problem.why)}</p>`}<p>Next: ${o(problem.hint)}</p></div>`;

/**
 * An answer as soon as it is here, and a failure beside it.
 * @template T
 * @param {{ answer?: T, problem: any }} from
 * @param {(answer: T) => any} show
 */
export const load = ({ answer, problem }, show) => html`${problemBox(problem)}${answer !== undefined ? show(answer) : !problem && quiet('Reading…')}`;
