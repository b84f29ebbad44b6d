/** Calls of the companion's interface, named and typed as its OpenAPI document has them. */
import { session, sessionEnded } from './session.js';

/** A failure with its next step. */
export class Problem extends Error {
  /** @param {number} status @param {Partial<Api.Problem>} said */
  constructor(status, { error, cause, hint = 'Try again; Health shows what is wrong.' }) {
    super(error ?? `the companion answered ${status}`);
    this.status = status;
    this.why = cause;
    this.hint = hint;
  }
}

export const asProblem = (error) =>
  error instanceof Problem ? error : new Problem(0, { error: 'the companion does not answer', cause: String(error), hint: 'minimodel companion status' });

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** What the companion alone can answer to a nonce: HMAC-SHA256 under the digest of the token. @param {string} token @param {string} nonce */
export async function proof(token, nonce) {
  const bytes = (text) => new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest('SHA-256', bytes(`minimodel session token\n${token}`));
  const key = await crypto.subtle.importKey('raw', digest, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return hex(new Uint8Array(await crypto.subtle.sign('HMAC', key, bytes(`minimodel page proof 1\n${nonce}`))));
}

/** Parameters stand in the path where it names them, the others are its query. */
function address(path, params) {
  const query = new URLSearchParams();
  let filled = path;
  for (const [name, value] of Object.entries(params)) {
    if (path.includes(`{${name}}`)) filled = filled.replace(`{${name}}`, () => encodeURIComponent(value));
    else if (value !== undefined) query.set(name, value);
  }
  return query.size > 0 ? `${filled}?${query}` : filled;
}

/** Sends a request; a refused token, or an answer without proof, ends the session of this tab. @param {RequestInit} [init] */
export async function send(path, init) {
  const { token } = session;
  const nonce = hex(crypto.getRandomValues(new Uint8Array(16)));
  const headers = { ...(token && { authorization: `Bearer ${token}`, 'minimodel-nonce': nonce }), ...(init?.method !== 'GET' && { 'content-type': 'application/json' }) };
  const response = await fetch(path, { ...init, headers });
  if (token && response.headers.get('minimodel-proof') !== (await proof(token, nonce))) {
    sessionEnded(token, response.status !== 401);
    throw new Problem(response.status, { error: 'the session has ended', hint: 'minimodel open' });
  }
  if (response.ok) return response;
  throw new Problem(response.status, await response.json().catch(() => ({})));
}

/**
 * Calls a route such as `POST /v1/transfers/{id}/pause`.
 * @template {keyof Api.Routes} R
 * @param {R} route
 * @param {Api.Routes[R]['params']} [params]
 * @param {Api.Routes[R]['body']} [body]
 * @returns {Promise<Api.Routes[R]['answer']>}
 */
export async function call(route, params, body) {
  const [method, path] = route.split(' ');
  const response = await send(address(path, params ?? {}), { method, body: body && JSON.stringify(body) });
  const text = await response.text();
  return response.headers.get('content-type')?.startsWith('application/json') && text ? JSON.parse(text) : text;
}
