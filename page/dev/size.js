/** Size of what a browser loads, against its limit: all files together, compressed by brotli. */
import { readFileSync, readdirSync } from 'node:fs';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const LIMIT = 40 * 1024;

const names = readdirSync('.', { recursive: true }).map(String).sort();
const served = names.filter((name) => /\.(js|css|html|svg)$/.test(name) && !/^(dev|test)\b/.test(name));
const all = Buffer.concat(served.map((name) => readFileSync(name)));
const brotli = brotliCompressSync(all).length;
console.log(`${served.length} files, ${all.length} bytes; together ${brotli} by brotli, ${gzipSync(all, { level: 9 }).length} by gzip`);
if (brotli > LIMIT) {
  console.error(`${brotli} bytes are more than ${LIMIT}: leave something out`);
  process.exitCode = 1;
}
