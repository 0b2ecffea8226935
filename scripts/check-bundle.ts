// `npm run check:bundle`: builds what `wrangler deploy` would upload, without uploading it, and fails if it is too large.
// Size is a test: every isolate parses the bundle when it starts, and every deploy starts all of them.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

/**
 * 247 KiB on 2026-11-26: with the API gateway, Kafka's protocol (12), its REST dialects (9) and the schema registry, of which
 * @bufbuild/protobuf is 28; 299 with re2js (46), docs/decisions/2026-11-26-paths.md. 378 on 2026-11-27,
 * of which @nats-io/nats-core is 42; 407 the same day, of which metrics, explain and the console's API are 14;
 * 420 with traces by OTLP (3), 430 with history and rules per event type; 367 since zod is imported as `* as z`, without its texts
 * in 50 languages; 380 with live tables (9); 390 since rows of tables are kept in
 * memory and written once for many appends (2), and a connection is opened past the router; 393.2 since tables are forgotten with the rules
 * that they were made by; 395.5 since positions are signed where history is restricted, and history, polls and metadata are paced;
 * 396 since each key of a key set is tried when the set is fetched,
 * and 2.9 more with groups of shards, which wait for room; 1.1 with the budget of bodies; 1.1 since an imported
 * document secures what it does not map, and more spellings of a path are known; 0.5 since what no shard can store is found out before;
 * 0.3 since numbers are counted as they are written out; 0.1 since bodies that are broken off are refused, 0.1 since frames are refused by
 * what they should be; 0.2 since shapes of objects are kept (core/kept-shapes.ts); 0.4 since recipients are checked when an event is published, and topics get more partitions; 0.8 since an event by itself passes fewer promises. A new dependency should be felt here; the platform
 * takes 3 MB.
 */
const MAX_GZIP_KIB = 405.4

// --config: a wrangler.jsonc in a parent folder would be taken instead. --env: the top level, although there are environments.
const args = [
  'deploy',
  '--dry-run',
  '--config=wrangler.toml',
  '--env=',
  '--outdir=dist',
  '--env-file=scripts/no-secrets.env',
]
execFileSync('wrangler', args, {
  stdio: ['ignore', 'ignore', 'inherit'],
  env: { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_LOG: 'warn' },
})

const bundle = readFileSync('dist/index.js')
const rawKib = bundle.byteLength / 1024
const gzipKib = gzipSync(bundle).byteLength / 1024

console.log(`bundle: ${rawKib.toFixed(0)} KiB, ${gzipKib.toFixed(1)} KiB gzipped (limit ${MAX_GZIP_KIB} KiB)`)
if (gzipKib > MAX_GZIP_KIB) {
  console.error('The bundle is too large. Find what grew with dist/index.js; raise the limit only with a reason.')
  process.exitCode = 1
}
