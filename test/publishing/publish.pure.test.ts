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
    expect((await publishEvents(log, config, events)).map(({ offset }) => offset)).toEqual([0, 1])
    const read = produced.map(({ topic, value, headers = [] }) =>
      decodeRecord({ topic, partition: 0, offset: 0, timestampMs: 0, key: null, value, headers }, 1_000, null),
    )
    expect(read).toMatchObject(events.map((value) => ({ ok: true, value })))
    expect(produced.map(({ topic }) => topic)).toEqual(['first', 'first'])
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
