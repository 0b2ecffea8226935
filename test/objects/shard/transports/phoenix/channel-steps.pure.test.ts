import { expect, it } from 'vitest'
import { createFilter, withTables } from '../../../../../src/core/subscriptions/filter.ts'
import type { ConnectionState } from '../../../../../src/objects/shard/connections/connection-state.ts'
import type { Channel } from '../../../../../src/objects/shard/transports/phoenix/channel.ts'
import { ChannelSteps } from '../../../../../src/objects/shard/transports/phoenix/channel-steps.ts'
import { JoinedChannels } from '../../../../../src/objects/shard/transports/phoenix/joined-channels.ts'
import { TableReader } from '../../../../../src/objects/shard/tables/table-reader.ts'

const TYPE = 'order.changed'

function channelOf(joinRef: string): Channel {
  const interests = [{ eventType: TYPE, oneOf: [], state: true as const }]
  const filter = withTables(createFilter('c', null, interests), new Map([[TYPE, 0]]))
  return { topic: `events:${TYPE}`, joinRef, naming: 'message', filter, interests, user: null, hasPresence: false }
}

/** A connection with one channel, and a table of two pages, which have a row each. */
function open() {
  const log = { committedSeq: 7, floorSeq: 0, position: String, read: () => [] }
  const channels = new JoinedChannels({
    connections: { hold: (subscriptions) => subscriptions, release: () => undefined },
    asOfJoins: { headIfPassed: () => undefined },
    positions: { ofChannel: (_state, seq) => String(seq) },
  })
  const finished: string[] = []
  const row = { type: TYPE, json: '{}', fields: {}, recipients: null, connectionId: null }
  const reader = new TableReader([TYPE], [''], {
    store: { read: (_type, after) => ({ events: [{ ...row, seq: 1 }], next: after === '' ? 'a' : null }) },
    rules: null,
    envelope: () => ({ id: 'x', nowMs: 0, specversion: '1.0' }),
    finish: () => {
      finished.push(TYPE)
      return [{ type: TYPE, event: { type: 'rig.table.complete', json: '{}' } }]
    },
  })
  channels.add(channelOf('1'), null, [])
  const steps = new ChannelSteps(channels, log)
  steps.setTables(reader)
  return { channels, finished, steps }
}

function typesOf(step: ReturnType<ChannelSteps['next']>): readonly string[] {
  return step.kind === 'events' ? step.parts.flatMap(({ events }) => events.map(({ type }) => type)) : [step.kind]
}

it('a table is sent in pages, and what came meanwhile after it', () => {
  const { channels, finished, steps } = open()
  expect(typesOf(steps.next())).toEqual(['rig.table.reset', TYPE])
  expect(channels.behindSeq).toBe(7)
  expect(typesOf(steps.next())).toEqual([TYPE])
  expect(finished).toEqual([])
  expect(typesOf(steps.next())).toEqual(['rig.table.complete'])
  expect(typesOf(steps.next())).toEqual([])
  expect([channels.behindSeq, steps.hasNext, finished]).toEqual([Infinity, false, [TYPE]])
})

it('a channel that is joined again is not told that it has a table whose rows the channel before it had', () => {
  const { channels, finished, steps } = open()
  steps.next()
  channels.delete(`events:${TYPE}`)
  steps.left(`events:${TYPE}`)
  channels.add(channelOf('2'), null, [])
  expect([typesOf(steps.next()), steps.hasNext, finished]).toEqual([['nothing'], false, []])
})

it('a channel whose table there is no more gets events, and neither removals nor a position that says it has the table', () => {
  const { channels } = open()
  const plain = { ...channelOf('1'), filter: createFilter('c', null, [{ eventType: TYPE, oneOf: [] }]) }
  channels.add(plain, null, [])
  const state = (tables: ConnectionState['tables']) => ({ tables }) as ConnectionState
  channels.setTables(state({ [TYPE]: 7 }))
  expect([channels.filter('c').tables, channels.ofTable(TYPE)?.mark]).toEqual([
    new Map([[TYPE, 7]]),
    expect.stringMatching(/./) as unknown,
  ])
  channels.setTables(state({}))
  expect([channels.filter('c').tables, channels.ofTable(TYPE)?.mark]).toEqual([undefined, ''])
})
