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

/** Sends a request; a refused token ends the session of this tab. @param {RequestInit} [init] */
export async function send(path, init) {
  const { token } = session;
  const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(init?.method !== 'GET' && { 'content-type': 'application/json' }) };
  const response = await fetch(path, { ...init, headers });
  if (response.ok) return response;
  if (response.status === 401 && token) sessionEnded(token);
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
