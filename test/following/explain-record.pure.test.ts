import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import { explainRecord } from '../../src/following/explain-record.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

const CONFIG = parseConfig({
  KAFKA_SOURCE_TOPICS: 'rig,orders,both',
  PROXY_KAFKA_RESPONSE_TOPICS: 'answers,both',
  RECIPIENTS: '/data/to',
  EXTRACTORS: '{"greeting":{"name":{"event":{"json_pointer":"/data/name"}}}}',
  TOPICS: '{"orders":{"type":"order","recipients":"/owner","filter":{"/state":"paid"}}}',
})

function explain(topic: string, value: unknown, headers: LogRecord['headers'] = [], maxEventBytes?: number) {
  if (!CONFIG.ok) throw new Error(CONFIG.reason.join('\n'))
  const record = {
    topic,
    partition: 0,
    offset: 1,
    timestampMs: 1,
    key: null,
    headers,
    value: bytes(JSON.stringify(value)),
  }
  const config = maxEventBytes === undefined ? CONFIG.value : { ...CONFIG.value, maxEventBytes }
  return explainRecord(record, config, null)
}

const greeting = (data: object) => ({ specversion: '1.0', id: '1', source: '/test', type: 'greeting', data })

describe('explainRecord', () => {
  it('an event, its fields and whom it is for', () => {
    const explained = explain('rig', greeting({ name: 'x', to: ['alice'] }))
    expect(explained).toMatchObject({ rule: null, recipients: ['alice'], fields: { name: 'x' } })
    expect(explain('rig', greeting({}))).toMatchObject({ recipients: null })
    expect(explain('orders', { state: 'paid', owner: 'bob' })).toMatchObject({ rule: 'orders', recipients: ['bob'] })
  })

  it('an event that was a request, without the credentials of its caller', () => {
    const rig = { headers: [['authorization', 'Bearer secret']] }
    const explained = explain('rig', { ...greeting({ to: ['alice'] }), rig })
    expect(JSON.stringify(explained)).toContain('greeting')
    expect(JSON.stringify(explained)).not.toContain('secret')
  })

  it('an event that a shard could not store with its recipients, as the dead letter that it is', () => {
    const to = Array.from({ length: 50_000 }, (_, n) => `${n}`.padEnd(90, 'u'))
    const large = { kind: 'dead_letter', code: 'too_large_for_shard' }
    expect(explain('rig', greeting({ to }), [], 1e9)).toMatchObject({ cause: large })
    expect(explain('rig', greeting({ to: to.slice(0, 1_000) }), [], 1e9)).toMatchObject({ rule: null })
  })

  it.each([
    [
      'a record that the rule filters',
      'orders',
      { state: 'open', owner: 'bob' },
      { kind: 'dropped_by_rule', rule: 'orders' },
    ],
    [
      'a record without a recipient that it must have',
      'orders',
      { state: 'paid' },
      { kind: 'dead_letter', rule: 'orders' },
    ],
    [
      'a recipient that is no user id',
      'rig',
      greeting({ to: {} }),
      { kind: 'dead_letter', code: 'invalid_recipients' },
    ],
    ['a record that is no event', 'rig', { n: 1 }, { kind: 'dead_letter', code: 'not_a_cloud_event' }],
    ['a record of a response topic', 'answers', { n: 1 }, { kind: 'is_response' }],
  ])('%s', (_what, topic, value, cause) => {
    expect(explain(topic, value)).toMatchObject({ cause })
  })

  it('a response in a topic that has events too', () => {
    const headers = [
      { key: 'rig-correlation', value: bytes('c') },
      { key: 'rig-response-code', value: bytes('200') },
    ]
    expect(explain('both', { n: 1 }, headers)).toEqual({ cause: { kind: 'is_response' } })
  })
})
