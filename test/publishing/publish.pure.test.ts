import type { CloudEvent } from '../../src/core/events/stored-event.ts'
import { ok } from '../../src/core/result.ts'
import { describe, expect, it } from 'vitest'
import { makeConfig } from '../support/make-tokens.ts'
import { parseStructured } from '../../src/core/events/cloud-event.ts'
import type { NewRecord } from '../../src/core/events/kafka-record.ts'
import { decodeRecord } from '../../src/decoding/decode-record.ts'
import { publishEvents, submit } from '../../src/publishing/publish.ts'
import type { KafkaLog } from '../../src/kafka/kafka-log.ts'

const config = makeConfig({ KAFKA_SOURCE_TOPICS: 'first,second', RECIPIENTS: '{"*":"/data/to"}' })

function makeLog() {
  const produced: NewRecord[] = []
  const never = () => Promise.reject(new Error('not asked'))
  const log: KafkaLog = {
    wakesFollowers: true,
    partitions: never,
    offsets: never,
    fetch: never,
    produce: async (records) => {
      produced.push(...records)
      return records.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestampMs: 0 }))
    },
  }
  return { log, produced }
}

function parse(members: object) {
  const event = parseStructured(JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', ...members }))
  if (!event.ok) throw new Error(event.reason)
  return event.value
}

describe('publishing', () => {
  it.each([
    [{ partitionkey: 'p', subject: 's', data: { to: 'alice' } }, 'p'],
    [{ subject: 's', data: { to: ['alice', 'bob'] } }, 'alice'],
    [{ subject: 's', data: { to: [] } }, 's'],
    [{ subject: 's' }, 's'],
    [{}, null],
  ])('keys %o by %s', async (members, key) => {
    const { log, produced } = makeLog()
    await publishEvents(log, config, [parse(members)])
    const found = produced[0]?.key
    expect(found ? new TextDecoder().decode(found) : null).toBe(key)
  })

  it('goes to the first source topic, in one produce, and is read there as it was', async () => {
    const { log, produced } = makeLog()
    const events = [parse({ data: 1 }), parse({ data: 2 })]
    expect(await publishEvents(log, config, events)).toMatchObject({ ok: true, value: [{ offset: 0 }, { offset: 1 }] })
    const read = produced.map(({ topic, value, headers = [] }) =>
      decodeRecord({ topic, partition: 0, offset: 0, timestampMs: 0, key: null, value, headers }, 1_000, null),
    )
    expect(read).toMatchObject(events.map((value) => ({ ok: true, value })))
    expect(produced.map(({ topic }) => topic)).toEqual(['first', 'first'])
  })

  it.each([[true], [{}], [''], [[['alice']]], [['alice', null]]])(
    'refuses recipients %j, and produces nothing',
    async (to) => {
      const { log, produced } = makeLog()
      const refused = {
        ok: false,
        reason: { kind: 'invalid_recipients', message: expect.stringMatching(/^recipients at \/data\/to must be/) },
      }
      expect(await publishEvents(log, config, [parse({ partitionkey: 'p', data: { to } })])).toMatchObject(refused)
      expect(produced).toEqual([])
    },
  )

  it('says which event of a batch has no recipient although its type must have one', async () => {
    const { log, produced } = makeLog()
    const strict = makeConfig({ RECIPIENTS: '{"t":"/data/to","*":"/data/to"}' })
    const events = [parse({ data: { to: 'alice' } }), parse({ data: { too: 'bob' } })]
    const message = 'event 1: no recipient at /data/to, where events of type t must have one'
    expect(await publishEvents(log, strict, events)).toEqual({
      ok: false,
      reason: { kind: 'invalid_recipients', message },
    })
    expect(produced).toEqual([])
  })

  it('refuses recipients whose digits are too many when they are written out', async () => {
    const event = parseStructured(
      `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"to":[${Array.from({ length: 5_000 }, (_, n) => `${n + 1}e995`).join(',')}]}}`,
    )
    if (!event.ok) throw new Error(event.reason)
    const reason = {
      kind: 'invalid_recipients',
      message: expect.stringContaining('are longer than 4194304 characters'),
    }
    expect(await publishEvents(makeLog().log, config, [event.value])).toEqual({ ok: false, reason })
  })
})

it('a connection that has used up its budget is refused, and the log is not asked', async () => {
  const open = makeConfig({ SUBMISSION_CHECK: 'no_check' })
  const event = { specversion: '1.0', id: '1', source: '/s', type: 't' }
  const openLog = () => {
    throw new Error('the log was asked')
  }
  const admit = (events: readonly CloudEvent[]) => Promise.resolve(ok(events))
  expect(await submit(event, false, open, openLog, () => false, admit)).toEqual({
    ok: false,
    reason: { kind: 'rate_limited' },
  })
})

it('a connection whose event has invalid recipients is told so', async () => {
  const open = makeConfig({ SUBMISSION_CHECK: 'no_check', RECIPIENTS: '{"*":"/data/to"}' })
  const event = { specversion: '1.0', id: '1', source: '/s', type: 't', data: { to: {} } }
  const admit = (events: readonly CloudEvent[]) => ok(events)
  expect(
    await submit(
      event,
      false,
      open,
      () => makeLog().log,
      () => true,
      admit,
    ),
  ).toMatchObject({
    ok: false,
    reason: { kind: 'invalid_recipients' },
  })
})
