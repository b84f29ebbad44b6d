/** Controls, and what follows a press. */
import { asProblem } from '../api.js';
import { command } from '../pure/command.js';
import { say } from '../state.js';
import { useEffect, useRef, useState } from '../vendor/hooks.js';
import { html, problemBox } from './pieces.js';

/** Time for which a button that agrees is inactive after it appears, milliseconds. */
const ARM_TIME = 1000;

/** Whether this has been seen for a second. */
export function useArmed() {
  const [isArmed, arm] = useState(false);
  useEffect(() => {
    let timer = 0;
    const look = () => {
      clearTimeout(timer);
      arm(false);
      if (!document.hidden && document.hasFocus()) timer = setTimeout(arm, ARM_TIME, true);
    };
    look();
    const changes = ['focus', 'blur', 'visibilitychange'];
    changes.forEach((name) => addEventListener(name, look));
    return () => (clearTimeout(timer), changes.forEach((name) => removeEventListener(name, look)));
  }, []);
  return isArmed;
}

/** A call that a control makes; `run` tells whether it went well. */
export function useCall() {
  const [problem, fail] = useState(/** @type {any} */ (null));
  const [isBusy, busy] = useState(false);
  const run = async (work, done) => {
    busy(true);
    fail(null);
    try {
      await work();
      say(done);
      return true;
    } catch (error) {
      fail(asProblem(error));
      return false;
    } finally {
      busy(false);
    }
  };
  return { problem, isBusy, run };
}

/** A button that changes something; with `asks` it asks first. */
export function Act({ label, run, done, asks = null, agree = `Yes, ${label.toLowerCase()}`, about = '', kind = '' }) {
  const [isAsking, ask] = useState(false);
  const { problem, isBusy, run: start } = useCall();
  const button = useRef(/** @type {any} */ (null));
  const close = () => {
    ask(false);
    button.current?.focus();
  };
  const go = async () => (await start(run, done), isAsking && close());
  return html`<span class="act">
    <button type="button" ref=${button} class=${kind} aria-label=${about ? `${label}: ${about}` : undefined} aria-expanded=${asks ? isAsking : undefined}
      disabled=${isBusy} onClick=${asks ? () => ask(!isAsking) : go}>${label}${isBusy && '…'}</button>
    ${isAsking && html`<${Question} agree=${agree} isBusy=${isBusy} onYes=${go} onNo=${close}>${asks}<//>`}${problemBox(problem)}</span>`;
}

function Question({ agree, isBusy, onYes, onNo, children }) {
  const isArmed = useArmed();
  return html`<div class="question" role="group" aria-label="Are you sure?"><p>${children}</p>
    <button type="button" onClick=${onNo}>No, leave it</button>
    <button type="button" class="danger" disabled=${!isArmed || isBusy} onClick=${onYes}>${agree}</button></div>`;
}

export function Copy({ text, what, isNamed = false }) {
  const [isDone, done] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      done(true);
      say(`Copied the ${what}.`);
    } catch {
      say('The browser does not let the page copy: select the text.');
    }
  };
  return html`<button type="button" class="small" aria-label=${`Copy the ${what}`} onClick=${copy}>${isDone ? 'Copied' : 'Copy'}${isNamed && ` the ${what}`}</button>`;
}

export const shell = (line) => html`<span class="command"><code>${line}</code><${Copy} text=${line} what="command" /></span>`;

/** The `minimodel` command of these words. */
export const cmd = (...words) => shell(command(...words));

export const save = (label, name, text) => {
  const go = () => {
    const href = URL.createObjectURL(new Blob([text]));
    Object.assign(document.createElement('a'), { href, download: name }).click();
    URL.revokeObjectURL(href);
  };
  return html`<button type="button" onClick=${go}>${label}</button>`;
};

let fields = 0;

/** A field with label and hint; `as` is the element. */
export function Field({ label, hint = '', as = 'input', onInput, children = null, ...more }) {
  const [id] = useState(() => `field-${(fields += 1)}`);
  return html`<div class="field"><label for=${id}>${label}</label>
    <${as} id=${id} spellcheck=${false} aria-describedby=${hint ? `${id}-hint` : undefined} onInput=${(event) => onInput(event.target.value, event.target)} ...${more}>${children}<//>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}</div>`;
}

export const check = (is, toggle, label, type = 'checkbox') => html`<label class="check"><input type=${type} checked=${is} onChange=${toggle} /><span>${label}</span></label>`;

/** A form whose submission stays in the page. */
export const form = (onSubmit, ...body) => html`<form onSubmit=${(event) => (event.preventDefault(), onSubmit())}>${body}</form>`;
