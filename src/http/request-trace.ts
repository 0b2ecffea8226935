// The traces of requests: the span of a proxied request, and that of a publish, which Kafka's records carry on in their
// headers. Used by the proxy and by the endpoints that publish.
import type { RigelError } from '../core/errors.ts'
import type { NewRecord } from '../core/events/kafka-record.ts'
import { sourceOf } from '../core/events/topic-source.ts'
import type { Result } from '../core/result.ts'
import { continuedTrace, startedTrace, type Trace } from '../telemetry/trace-context.ts'
import type { Tracer } from '../telemetry/tracer.ts'
import type { IncomingHeaders } from './proxy/headers/headers.ts'
import type { ProxyContext } from './proxy/proxy-context.ts'
import type { HandlerContext } from './worker-context.ts'

/** A service always gets a trace: the caller's, or one that Rigel starts. */
export function proxyTrace(tracer: Tracer | null, incoming: IncomingHeaders): Trace {
  const given = incoming.get('traceparent')
  const state = incoming.get('tracestate') ?? null
  if (tracer !== null) return tracer.trace(given, state)
  return (given === undefined ? undefined : continuedTrace(given, state)) ?? startedTrace(true)
}

/** Returns null if the publisher has no trace, and none is recorded: then records get no header. */
export function publishTrace(c: Pick<HandlerContext, 'get' | 'req'>): Trace | null {
  const tracer = c.get('tracer')
  const given = c.req.header('traceparent')
  if (tracer === null && given === undefined) return null
  const state = c.req.header('tracestate') ?? null
  if (tracer === null) return (given && continuedTrace(given, state)) || null
  const trace = tracer.trace(given, state)
  return trace.isSampled || trace.parentSpanId !== null ? trace : null
}

const encoder = new TextEncoder()

/** Adds the headers that OpenTelemetry's Kafka clients write. */
export function withTrace(record: NewRecord, { traceparent, tracestate }: Trace): NewRecord {
  const headers = [{ key: 'traceparent', value: encoder.encode(traceparent) }]
  if (tracestate !== null) headers.push({ key: 'tracestate', value: encoder.encode(tracestate) })
  return { ...record, headers: [...(record.headers ?? []), ...headers] }
}

export interface ProxiedOutcome {
  readonly result: Result<unknown, RigelError>
  readonly status: number
  /** Milliseconds since the epoch; the end is when the response began. */
  readonly startedMs: number
  readonly endedMs: number
}

/** Never records the client's path or query, which may hold secrets: the route's pattern is the name. */
export function recordProxied(tracer: Tracer, { method, route, trace }: ProxyContext, outcome: ProxiedOutcome): void {
  const { endedMs, result, startedMs, status } = outcome
  const hasFailed = status >= 500
  tracer.record({
    trace,
    name: `${method} ${route.pattern.source}`,
    kind: 'server',
    startMs: startedMs,
    endMs: endedMs,
    attributes: {
      'http.request.method': method,
      'http.route': route.pattern.source,
      'http.response.status_code': status,
      'rigel.api': route.api,
      ...(hasFailed ? { 'error.type': result.ok ? String(status) : result.reason.kind } : {}),
    },
    error: hasFailed ? (result.ok ? `status ${status}` : result.reason.kind) : null,
  })
}

/** `error`: why nothing was produced; null: the records are durable. */
export function recordProduced(
  tracer: Tracer,
  trace: Trace,
  records: readonly NewRecord[],
  { endMs, error, startMs }: { readonly startMs: number; readonly endMs: number; readonly error: string | null },
): void {
  const { kind, name } = sourceOf(records[0]?.topic ?? '')
  const attributes = {
    'messaging.system': kind,
    'messaging.operation.type': 'send',
    'messaging.destination.name': name,
    'messaging.batch.message_count': records.length,
  }
  tracer.record({ trace, name: `send ${name}`, kind: 'producer', startMs, endMs, attributes, error })
}
