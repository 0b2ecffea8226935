import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import type { CloudEvent } from '../../src/core/events/stored-event.ts'
import { RecordTraces } from '../../src/following/telemetry/record-traces.ts'
import type { Span } from '../../src/telemetry/otlp-json.ts'
import { Tracer } from '../../src/telemetry/tracer.ts'

const TRACES = ['1', '2', '3'].map((digit) => digit.repeat(32))
const parentOf = (n: number, flags = '01') => `00-${TRACES[n] ?? ''}-00f067aa0ba902b7-${flags}`

function makeTraces() {
  const spans: Span[] = []
  const tracer = new Tracer({
    ratio: 1,
    nowMs: () => 0,
    random: () => 0,
    schedule: () => undefined,
    send: () => Promise.resolve('taken'),
    dropped: () => undefined,
  })
  tracer.record = (span) => void spans.push(span)
  return { spans, traces: new RecordTraces(tracer, { topic: 'rig', partition: 3 }) }
}

function record(offset: number, headers: Readonly<Record<string, string>> = {}): LogRecord {
  const encoded = Object.entries(headers).map(([key, value]) => ({ key, value: new TextEncoder().encode(value) }))
  return { topic: 'rig', partition: 3, offset, timestampMs: 1, key: null, headers: encoded, value: null }
}

function event(extensions: object = {}): CloudEvent {
  const parsed = { specversion: '1.0', id: 'e', source: '/s', type: 'news', ...extensions }
  return { specversion: '1.0', id: 'e', source: '/s', type: 'news', json: JSON.stringify(parsed), parsed }
}

describe('the spans of records', () => {
  it('last from the fetch until all shards have confirmed, and have the record’s header as their parent', () => {
    const { spans, traces } = makeTraces()
    traces.begin()
    traces.decoded(record(7, { traceparent: parentOf(0) }), event({ traceparent: parentOf(1) }))
    traces.end(1_000, 1_250)
    expect(spans).toMatchObject([
      {
        trace: { traceId: TRACES[0], parentSpanId: '00f067aa0ba902b7' },
        name: 'process rig',
        kind: 'consumer',
        startMs: 1_000,
        endMs: 1_250,
        attributes: {
          'messaging.kafka.offset': 7,
          'messaging.destination.partition.id': '3',
          'cloudevents.event_id': 'e',
        },
      },
    ])
  })

  it('have the event’s extension as their parent where the record has no header, in both modes', () => {
    const { spans, traces } = makeTraces()
    traces.begin()
    traces.decoded(record(1, { ce_traceparent: parentOf(1) }), event())
    traces.decoded(record(2), event({ traceparent: parentOf(2) }))
    traces.end(0, 0)
    expect(spans.map(({ trace }) => trace.traceId)).toEqual([TRACES[1], TRACES[2]])
  })

  it('are of sampled traces only: none begins at a record', () => {
    const { spans, traces } = makeTraces()
    traces.begin()
    traces.decoded(record(1), event())
    traces.decoded(record(2), event({ traceparent: 5 }))
    traces.decoded(record(3, { traceparent: parentOf(0, '00') }), event())
    traces.decoded(record(4, { traceparent: 'no trace' }), event())
    traces.end(0, 0)
    expect(spans).toEqual([])
  })

  it('are at most 200 a batch, and those of a batch that failed are of its repetition', () => {
    const { spans, traces } = makeTraces()
    const decode = () => {
      traces.begin()
      for (let n = 0; n < 300; n += 1) traces.decoded(record(n, { traceparent: parentOf(0) }), event())
    }
    decode()
    decode()
    traces.end(0, 0)
    expect(spans).toHaveLength(200)
  })
})
