import { describe, expect, it } from 'vitest'
import { toOtlpJson, type Span } from '../../src/telemetry/otlp-json.ts'
import { continuedTrace, startedTrace } from '../../src/telemetry/trace-context.ts'
import { parseOtlp } from './otlp.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

function spanOf(changes: Partial<Span> = {}): Span {
  return {
    trace: startedTrace(true),
    name: 'GET /books/{id}',
    kind: 'server',
    startMs: 1_796_000_000_123,
    endMs: 1_796_000_000_456,
    attributes: { 'http.route': '/books/{id}', 'http.response.status_code': 200 },
    error: null,
    ...changes,
  }
}

describe('spans as OTLP', () => {
  it('have the identifiers of the trace, whole milliseconds as nanoseconds, and typed attributes', () => {
    const trace = continuedTrace(`00-${TRACE}-${PARENT}-01`, 'vendor=1')
    if (trace === undefined) throw new Error('it is a traceparent')
    expect(parseOtlp(toOtlpJson('rigel', [spanOf({ trace })]))).toEqual([
      {
        service: 'rigel',
        traceId: TRACE,
        spanId: trace.spanId,
        parentSpanId: PARENT,
        traceState: 'vendor=1',
        name: 'GET /books/{id}',
        kind: 2,
        startTimeUnixNano: 1_796_000_000_123_000_000n,
        endTimeUnixNano: 1_796_000_000_456_000_000n,
        attributes: { 'http.route': '/books/{id}', 'http.response.status_code': '200' },
      },
    ])
  })

  it('have no parent where Rigel started the trace, and no tracestate that is too long', () => {
    const trace = { ...startedTrace(true), tracestate: `a=${'x'.repeat(600)}` }
    const [span] = parseOtlp(toOtlpJson('rigel', [spanOf({ trace })]))
    expect([span?.parentSpanId, span?.traceState]).toEqual([undefined, undefined])
  })

  it('have the error status of what failed, cut, and never end before they start', () => {
    const [span] = parseOtlp(toOtlpJson('rigel', [spanOf({ error: 'x'.repeat(600), startMs: 5, endMs: 3 })]))
    expect(span?.status).toEqual({ code: 2, message: 'x'.repeat(500) })
    expect([span?.startTimeUnixNano, span?.endTimeUnixNano]).toEqual([5_000_000n, 5_000_000n])
  })
})
