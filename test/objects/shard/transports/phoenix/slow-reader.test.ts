import { expect, it } from 'vitest'
import { openConnection } from '../../../../../src/objects/shard/connections/open-connection.ts'
import { inComposedShard, type ComposedShard } from '../../../../support/composed-shard.ts'
import { connectRequest } from '../../../../support/shard-clients.ts'

const LIMIT_BYTES = 1_024

const PHOENIX = { transport: 'phoenix', phoenix: { vsn: 2, roles: [], meta: {} } } as const

/** Each is answered. */
function heartbeat(ref: number): string {
  return JSON.stringify([null, String(ref), 'phoenix', 'heartbeat', {}])
}

function endedOf({ context }: ComposedShard) {
  return context.metrics.counts.all().filter(([name]) => name === 'rigel_connections_ended_total')
}

it('a Phoenix client that takes nothing is closed, and counted, as a slow reader', () =>
  inComposedShard({ MAX_WAITING_BYTES: String(LIMIT_BYTES) }, async (shard) => {
    await shard.connect(PHOENIX)
    const [socket] = shard.context.sockets.getWebSockets()
    if (socket === undefined) throw new Error('no socket')
    Object.defineProperty(socket, 'bufferedAmount', { value: 2 * LIMIT_BYTES })
    for (let ref = 0; ref < LIMIT_BYTES && shard.connections.size > 0; ref += 1)
      await shard.transports.phoenix.onMessage(socket, heartbeat(ref))
    expect(endedOf(shard)).toEqual([['rigel_connections_ended_total', ['phoenix', 'slow_reader'], 1]])
  }))

it('so is one that does not poll', () =>
  inComposedShard({ MAX_WAITING_BYTES: String(LIMIT_BYTES) }, async (shard) => {
    const { phoenix } = shard.transports
    const opened = await openConnection(shard, connectRequest(PHOENIX), 'session', (opening) =>
      phoenix.openSession(opening),
    )
    if (!opened.ok) throw new Error(opened.reason.kind)
    const { connectionId } = opened.value
    for (let ref = 0; ref < LIMIT_BYTES && shard.connections.size > 0; ref += 1)
      await phoenix.push(connectionId, [heartbeat(ref)])
    expect(endedOf(shard)).toEqual([['rigel_connections_ended_total', ['phoenix', 'slow_reader'], 1]])
    expect(await phoenix.poll(connectionId, 0)).toEqual({ kind: 'gone' })
  }))
