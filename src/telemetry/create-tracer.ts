// Makes the tracer of an isolate or object, with the export by OTLP over HTTP: one POST of JSON for each batch.
import type { TracingConfig } from '../config/operation/tracing.ts'
import { readBody } from '../core/http-body.ts'
import { isObject, parseJson } from '../core/json.ts'
import type { Schedule } from '../core/metrics/reporter.ts'
import { decodeUtf8 } from '../core/text.ts'
import { logIncident } from './incident-log.ts'
import { toOtlpJson, type Span } from './otlp-json.ts'
import { Tracer, type Exported } from './tracer.ts'

/** OpenTelemetry's default. */
const TIMEOUT_MS = 10_000

/** A collector says in a few words what it did not take. */
const MAX_ANSWER_BYTES = 65_536
const MAX_PROBLEM_CHARS = 200

/** OTLP's retryable responses. */
const AGAIN = new Set([429, 502, 503, 504])

const NOT_EXPORTED = 'traces could not be exported'

/** Returns null if tracing is not configured. */
export function createTracer(config: TracingConfig | null, schedule: Schedule): Tracer | null {
  if (config === null) return null
  return new Tracer({
    ratio: config.ratio,
    nowMs: () => Date.now(),
    random: () => Math.random(),
    schedule,
    send: (spans) => send(config, spans),
    dropped: (spans) => logIncident('spans were dropped: too many waited for the collector', {}, { spans }),
  })
}

async function send({ headers, service, url }: TracingConfig, spans: readonly Span[]): Promise<Exported> {
  const host = new URL(url).host
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: toOtlpJson(service, spans),
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const answer = await readBody(response, MAX_ANSWER_BYTES)
    const text = answer.ok ? (decodeUtf8(answer.bytes) ?? '') : ''
    const problem = response.status === 200 ? rejectedBy(text) : text.slice(0, MAX_PROBLEM_CHARS)
    if (problem !== null) logIncident(NOT_EXPORTED, { host }, { status: response.status, problem })
    return response.status === 200 ? 'taken' : AGAIN.has(response.status) ? 'again' : 'refused'
  } catch (error) {
    logIncident(NOT_EXPORTED, { host }, { error: String(error) })
    return 'again'
  }
}

/** Returns what a collector says that took only some of the spans; null: it took all. */
function rejectedBy(answer: string): string | null {
  const parsed = parseJson(answer)
  const partial = isObject(parsed) ? parsed['partialSuccess'] : undefined
  if (!isObject(partial) || !(Number(partial['rejectedSpans'] ?? 0) > 0)) return null
  return `rejected ${String(partial['rejectedSpans'])}: ${JSON.stringify(partial['errorMessage'] ?? '')}`.slice(
    0,
    MAX_PROBLEM_CHARS,
  )
}
