/** The login screen. */
import { cmd, Field, form, html, useState, useTab } from '../kit.js';
import { enter } from '../session.js';

export function Login() {
  const notice = useTab((tab) => tab.notice);
  const [code, type] = useState('');
  const [isBusy, busy] = useState(false);
  const submit = async () => (busy(true), await enter(code.trim()), busy(false));
  return html`<main class="login"><h1>minimodel</h1>
    ${notice && html`<p class="problem" role="alert">${notice}</p>`}
    <p>This is the page of the companion on this machine. A terminal opens it:</p><p>${cmd('open')}</p>
    ${form(submit, html`<${Field} label="Or type a code" class="code" value=${code} onInput=${type} required maxlength="64" autocomplete="one-time-code" hint="8 letters and digits, good once and for 60 seconds" />
      <button class="main" disabled=${isBusy}>Open</button>`)}<p>A terminal shows a code: ${cmd('open', '--print')}</p></main>`;
}
