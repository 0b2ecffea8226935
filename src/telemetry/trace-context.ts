// W3C Trace Context: a caller's trace goes on through Rigel, or Rigel starts one. Used for requests and for records of
// source topics.
import { randomHex } from './random-hex.ts'

/** A span of Rigel's in a trace: its own identifiers, and its caller's. */
export interface Trace {
  readonly traceId: string
  readonly spanId: string
  /** Null: Rigel started the trace. */
  readonly parentSpanId: string | null
  /** Whether callers want the trace to be recorded. */
  readonly isSampled: boolean
  /** What the next hop is told: this span is its parent. */
  readonly traceparent: string
  readonly tracestate: string | null
}

/** A higher version may be longer, and its first four fields are read as those of version 00. */
const TRACE_PARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Vendors add to it at each hop, and it gets into every span: the specification lets a hop drop what is longer than 512. */
const MAX_TRACESTATE_CHARS = 512

/** Returns a span that continues the caller's trace, or undefined if `traceparent` is not one. */
export function continuedTrace(traceparent: string, tracestate: string | null): Trace | undefined {
  const known = parseTraceparent(traceparent.trim())
  if (known === undefined) return undefined
  const spanId = randomHex(8)
  return {
    traceId: known.traceId,
    spanId,
    parentSpanId: known.parentId,
    isSampled: isSampled(known.flags),
    traceparent: `00-${known.traceId}-${spanId}-${known.flags}`,
    tracestate,
  }
}

/** Returns the first span of a trace. */
export function startedTrace(sampled: boolean): Trace {
  const traceId = randomHex(16)
  const spanId = randomHex(8)
  const traceparent = `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`
  return { traceId, spanId, parentSpanId: null, isSampled: sampled, traceparent, tracestate: null }
}

/** Returns the `tracestate` that a span is exported with: null if there is none, or it is too long. */
export function shownTracestate({ tracestate }: Trace): string | null {
  return tracestate === null || tracestate.length > MAX_TRACESTATE_CHARS ? null : tracestate
}

interface TraceParent {
  readonly traceId: string
  readonly parentId: string
  readonly flags: string
}

function parseTraceparent(text: string): TraceParent | undefined {
  const [, version, traceId = '', parentId = '', flags = '', rest] = TRACE_PARENT.exec(text) ?? []
  const isKnown = version !== undefined && !/^0+$/.test(traceId) && !/^0+$/.test(parentId)
  if (!isKnown || (version === '00' && rest !== undefined)) return undefined
  // The flag "sampled" is the only one that a higher version must keep.
  return { traceId, parentId, flags: version === '00' ? flags : isSampled(flags) ? '01' : '00' }
}

function isSampled(flags: string): boolean {
  return (Number.parseInt(flags, 16) & 1) === 1
}
