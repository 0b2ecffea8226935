// The console's figures. GET /v1/figures returns the last hour and the last report of each object. /v1/figures/stream
// sends new figures as Server-Sent Events. Only the metrics objects are read, so an open console wakes no other
// object.
import type { Context } from 'hono'
import * as z from 'zod'
import { METRICS } from '../../../core/metrics/catalogue.ts'
import { openShards } from '../../../core/shard-map/shard-map.ts'
import { STEP_MS } from '../../../core/metrics/history.ts'
import { sse, SSE_HEADERS } from '../../../objects/shard/transports/sse.ts'
import { readHistory, readMetrics } from '../../../rpc/metrics.ts'
import { errorResponse } from '../../error-response.ts'
import type { HttpEnv } from '../../worker-context.ts'

const STREAM_EVERY_MS = 5_000
/**
 * Each read calls every metrics object twice, and an invocation may make 1,000 calls. After this many the client
 * reconnects.
 */
const MAX_LOOKS = 30
const RECONNECT_MS = 1_000

const sinceQuery = z.object({ since: z.coerce.number().int().min(0).default(0) })

export async function getFigures(c: Context<HttpEnv>): Promise<Response> {
  const query = sinceQuery.safeParse(c.req.query())
  if (!query.success) return errorResponse({ kind: 'bad_request', message: 'since: milliseconds since the epoch' })
  return c.json(await readFigures(c, query.data.since))
}

const encoder = new TextEncoder()

export function streamFigures(c: Context<HttpEnv>): Response {
  const query = sinceQuery.safeParse(c.req.query())
  if (!query.success) return errorResponse({ kind: 'bad_request', message: 'since: milliseconds since the epoch' })
  return new Response(figureStream(c, query.data.since), { headers: SSE_HEADERS })
}

function figureStream(c: Context<HttpEnv>, since: number): ReadableStream<Uint8Array> {
  let from = since
  let looks = 0
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(sse.preamble(RECONNECT_MS))),
    async pull(controller) {
      if (looks > 0) await scheduler.wait(STREAM_EVERY_MS)
      looks += 1
      const figures = await readFigures(c, from)
      // The last step has not ended, so the next read includes it again.
      from = figures.history.at(-1)?.atMs ?? from
      const frame = sse.systemEvent({ type: 'figures', json: JSON.stringify(figures) }, String(from))
      controller.enqueue(encoder.encode(frame))
      if (looks >= MAX_LOOKS) controller.close()
    },
  })
}

async function readFigures({ env, var: { config, shardMap } }: Context<HttpEnv>, since: number) {
  const [{ errors, sources, totals }, history] = await Promise.all([
    readMetrics(env, config),
    readHistory(env, config, since),
  ])
  return {
    nowMs: Date.now(),
    stepMs: STEP_MS,
    shards: openShards(shardMap.map),
    buckets: bucketsOf(['rigel_produce_to_receive_seconds', 'rigel_append_seconds', 'rigel_proxy_duration_seconds']),
    history,
    totals: totals.flatMap(([name, labels, value]) => (typeof value === 'number' ? [{ name, labels, value }] : [])),
    sources: sources.map(({ atMs, detail, source, values }) => ({
      source,
      atMs,
      values: values.map(([name, labels, value]) => ({ name, labels, value })),
      detail: detail === undefined ? null : (JSON.parse(detail) as unknown),
    })),
    errors: errors.slice(-50),
  }
}

function bucketsOf(names: readonly (keyof typeof METRICS)[]) {
  return Object.fromEntries(names.map((name) => [name, METRICS[name].buckets ?? []]))
}
