/** Calls of the companion's interface: docs/api.md. Routes are named as that page names them, and typed from the OpenAPI document. */
import { session, sessionEnded } from './session.js';

/** A failure with its next step. */
export class Problem extends Error {
  /** @param {number} status @param {Partial<Api.Problem>} body */
  constructor(status, body) {
    super(body.error ?? `the companion answered ${status}`);
    this.status = status;
    this.why = body.cause ?? null;
    this.hint = body.hint ?? 'Try again; Health shows what is wrong.';
  }
}

/** @param {unknown} error @returns {Problem} */
export const asProblem = (error) =>
  error instanceof Problem
    ? error
    : new Problem(0, {
        error: 'the companion does not answer',
        cause: String(error instanceof Error ? error.message : error),
        hint: 'See whether it runs: minimodel companion status',
      });

/** The path of a route: parameters in their places, the others as its query. @param {string} path @param {Record<string, string | number | undefined>} params */
function address(path, params) {
  const rest = new Map(Object.entries(params));
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    const value = rest.get(name);
    rest.delete(name);
    return encodeURIComponent(String(value));
  });
  const query = [...rest].filter(([, value]) => value !== undefined).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return query.length > 0 ? `${filled}?${query.join('&')}` : filled;
}

/**
 * Sends a request with the session's token. A refused token ends the session of this tab.
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, signal?: AbortSignal }} [more]
 */
export async function send(method, path, { body, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = {};
  const token = session.token;
  if (token) headers.authorization = `Bearer ${token}`;
  if (method !== 'GET') headers['content-type'] = 'application/json';
  const response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  if (response.ok) return response;
  const text = await response.text();
  /** @type {Partial<Api.Problem>} */
  let said = {};
  try {
    said = JSON.parse(text);
  } catch {
    said = { error: `the companion answered ${response.status}` };
  }
  const problem = new Problem(response.status, said);
  if (response.status === 401 && token) sessionEnded(token);
  throw problem;
}

/**
 * Calls a route and reads its answer.
 * @template {keyof Api.Routes} R
 * @param {R} route For example `POST /v1/transfers/{id}/pause`.
 * @param {Api.Routes[R]['params']} [params] What the path and the query name.
 * @param {Api.Routes[R]['body']} [body]
 * @returns {Promise<Api.Routes[R]['answer']>}
 */
export async function call(route, params, body) {
  const [method, path] = route.split(' ');
  const response = await send(method, address(path, params ?? {}), { body });
  if (response.status === 204) return /** @type {any} */ (undefined);
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
  return isJson ? response.json() : /** @type {any} */ (response.text());
}
