// Spans as OTLP's ExportTraceServiceRequest in JSON (opentelemetry-proto 1.x): identifiers are hexadecimal, 64-bit numbers
// are text. Pure; tracer.ts sends it.
import { shownTracestate, type Trace } from './trace-context.ts'

/** OpenTelemetry's attributes. A number is a whole one. */
type SpanAttributes = Readonly<Record<string, string | number>>

/** A finished piece of Rigel's work in a trace. Times are milliseconds since the epoch. */
export interface Span {
  readonly trace: Trace
  readonly name: string
  readonly kind: keyof typeof KINDS
  readonly startMs: number
  readonly endMs: number
  readonly attributes: SpanAttributes
  /** Why the work failed; null: it did not. */
  readonly error: string | null
}

/** The enumeration Span.SpanKind. */
const KINDS = { server: 2, producer: 4, consumer: 5 }
/** The enumeration Status.StatusCode. */
const STATUS_ERROR = 2
const MAX_ERROR_CHARS = 500

/** Returns the body of a POST to `/v1/traces`. */
export function toOtlpJson(service: string, spans: readonly Span[]): string {
  const resource = { attributes: toAttributes({ 'service.name': service, 'telemetry.sdk.name': 'rigel' }) }
  return JSON.stringify({
    resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'rigel' }, spans: spans.map(toSpan) }] }],
  })
}

function toSpan({ attributes, endMs, error, kind, name, startMs, trace }: Span) {
  const traceState = shownTracestate(trace)
  return {
    traceId: trace.traceId,
    spanId: trace.spanId,
    ...(traceState === null ? {} : { traceState }),
    ...(trace.parentSpanId === null ? {} : { parentSpanId: trace.parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: `${startMs}000000`,
    // A span never ends before it starts: clocks of two machines may differ.
    endTimeUnixNano: `${Math.max(startMs, endMs)}000000`,
    attributes: toAttributes(attributes),
    ...(error === null ? {} : { status: { code: STATUS_ERROR, message: error.slice(0, MAX_ERROR_CHARS) } }),
  }
}

function toAttributes(attributes: SpanAttributes) {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }))
}
