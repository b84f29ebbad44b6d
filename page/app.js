/** The page: its frame, its views, and the session before them. */
import { counted, head, html, o, rate, to, useEffect, useRef, useRoute, useTab } from './kit.js';
import { asking } from './pure/picture.js';
import { begin, enter, takeCode } from './session.js';
import { follow, forget } from './stream.js';
import { Component, render } from './vendor/preact.js';
import { Health } from './views/health.js';
import { Login } from './views/login.js';
import { Models } from './views/models.js';
import { Records } from './views/records.js';
import { Requests } from './views/requests.js';
import { Settings } from './views/settings.js';
import { Sharing } from './views/sharing.js';
import { Transfers } from './views/transfers.js';

const VIEWS = { Models, Transfers, Sharing, Requests, Records, Settings, Health };

const LINKS = {
  connecting: 'Connecting…',
  lost: 'The companion does not answer; what is shown is old. The page tries again.',
  stopping: 'The companion ended. In a terminal: minimodel companion start, then minimodel open.',
};

const look = follow();

function App() {
  const phase = useTab((tab) => tab.phase);
  useEffect(() => {
    if (phase === 'login') forget();
    look();
  }, [phase]);
  useEffect(() => {
    addEventListener('hashchange', () => {
      const code = takeCode();
      if (code) enter(code);
    });
    begin();
  }, []);
  if (phase === 'starting') return html`<main class="login"><h1>minimodel</h1><p>Connecting…</p></main>`;
  return phase === 'login' ? html`<${Login} />` : html`<${Frame} />`;
}

function Frame() {
  const { view, word, rest } = useRoute();
  const questions = useTab((tab) => asking(tab.picture).length);
  const label = useTab((tab) => tab.status?.label);
  const title = Object.keys(VIEWS).find((name) => name.toLowerCase() === view) ?? 'Transfers';
  const path = [title, word, rest].join();
  const main = useRef(/** @type {any} */ (null));
  const before = useRef(path);
  useEffect(() => {
    document.title = `${questions > 0 ? `(${questions}) ` : ''}${title} – ${label ?? 'minimodel'}`;
  }, [questions, title, label]);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    scrollTo(0, 0);
    main.current.querySelector('h1')?.focus();
  }, [path]);
  const skip = (event) => (event.preventDefault(), main.current.focus());
  const badge = html` <span class="badge">${questions}<span class="unseen"> open</span></span>`;
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="side"><p class="brand">minimodel</p>${label && html`<p class="label">${o(label)}</p>`}<${Link} /><nav aria-label="Views"><ul>${Object.keys(VIEWS).map(
      (name) => html`<li><a href=${to(name.toLowerCase())} aria-current=${name === title ? 'page' : undefined}>${name}${name === 'Requests' && questions > 0 && badge}</a></li>`,
    )}</ul></nav></header>
    <main id="main" tabindex="-1" ref=${main}><${Guard} key=${title}><${VIEWS[title]} id=${/^\d{1,15}$/.test(word) ? Number(word) : null} word=${word} rest=${rest} /><//></main><${Said} />`;
}

function Link() {
  const link = useTab((tab) => tab.link);
  const transfers = [...useTab((tab) => tab.picture.transfers).values()];
  const sum = (way) => rate(transfers.reduce((all, it) => all + it[way], 0));
  return link === 'live' ? html`<p class="rate"><span>down ${sum('down_rate')}</span> <span>up ${sum('up_rate')}</span></p>` : html`<p class=${`rate ${link}`} role=${link === 'connecting' ? undefined : 'alert'}>${LINKS[link]}</p>`;
}

/** The live region: questions, ends, and what was done; never rates. */
function Said() {
  return html`<p class="unseen" role="status">${useTab((tab) => tab.said)}</p>`;
}

/** Keeps a fault of one view from the others. */
class Guard extends Component {
  static getDerivedStateFromError(fault) {
    return { fault };
  }
  render() {
    const { fault } = /** @type {any} */ (this.state);
    return fault ? html`${head('This view failed')}<p>${o(String(fault))}</p><p>The companion goes on. Load the page again, or choose another view.</p>` : this.props.children;
  }
}

render(html`<${App} />`, /** @type {Element} */ (document.getElementById('app')));
