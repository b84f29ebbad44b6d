/** The report of Health, and where the time went. */
import { duration } from './words.js';

/** A text with peers, hashes, offers, addresses and home folders cut short. */
export const shortened = (text) =>
  text
    .replace(/\b([a-z2-7]{8})[a-z2-7]{44}\b|\b([0-9a-f]{8})[0-9a-f]{56}\b/gi, '$1$2…')
    .replace(/\bmm1\w{20,}/g, 'mm1…')
    .replace(/\b(?!127\.)\d{1,3}(\.\d{1,3}){3}\b|\[?\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){3,7}\]?/gi, '(address)')
    .replace(/([/\\](home|Users)[/\\])[^/\\\s`]+/g, '$1(user)');

/** @param {Api.Status} status @param {Api.Finding[]} findings @param {Api.Transfer[]} transfers */
export function report(status, findings, transfers) {
  const lines = [`minimodel ${status.version}, since ${status.started_utc}`];
  for (const it of findings) lines.push(`${it.outcome}: ${it.name}: ${it.detail}${it.hint ? `\n  hint: ${it.hint}` : ''}`);
  for (const it of transfers) {
    lines.push(`${it.kind} ${it.id}: ${it.state} ${it.cause ?? ''} ${it.have_bytes} of ${it.total_bytes} bytes, ${it.peers.length} peers`);
    lines.push(...Object.entries(it.idle_seconds).map(([cause, seconds]) => `  ${cause}: ${duration(seconds)}`));
    if (it.problem) lines.push(`  problem: ${it.problem.error}`);
  }
  return shortened(lines.join('\n'));
}

/** Seconds in which bytes moved, then those of each cause, the longest first. @param {Api.Transfer[]} transfers @returns {[string, number][]} */
export function timeParts(transfers) {
  const sums = new Map();
  let moved = 0;
  for (const it of transfers) {
    moved += it.run_seconds ?? 0;
    for (const [cause, seconds] of Object.entries(it.idle_seconds)) {
      sums.set(cause, (sums.get(cause) ?? 0) + seconds);
      moved -= seconds;
    }
  }
  return [['', Math.max(0, moved)], ...[...sums].filter(([, seconds]) => seconds >= 1).sort((a, b) => b[1] - a[1])];
}
