/**
 * Size of what a browser loads, against its limit: all files together, compressed by brotli. Comments do not count against the limit,
 * because they are served as they are and cost nothing on loopback; the size with them is said, too.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const LIMIT = 40_000;

const names = readdirSync('.', { recursive: true }).map(String).sort();
const served = names.filter((name) => /\.(js|css|html|svg)$/.test(name) && !/^(dev|test)\b/.test(name));
const texts = served.map((name) => readFileSync(name, 'utf8'));
// Whole comments alone: blocks, and lines that begin with one.
const bare = texts.map((text) => text.replace(/\/\*[^]*?\*\/\n?/g, '').replace(/^\s*\/\/.*\n/gm, ''));
const packed = (all) => brotliCompressSync(Buffer.from(all.join(''))).length;
const [whole, code] = [packed(texts), packed(bare)];
const gzip = gzipSync(Buffer.from(texts.join('')), { level: 9 }).length;
console.log(`${served.length} files; together ${code} bytes by brotli without comments, ${whole} with them, ${gzip} by gzip`);
if (code > LIMIT) {
  console.error(`${code} bytes are more than ${LIMIT}: leave something out`);
  process.exitCode = 1;
}
