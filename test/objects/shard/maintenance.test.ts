// What a shard does by the clock: ends connections, keeps positions fresh, writes heartbeats.
import { describe, expect, it } from 'vitest'
import { inComposedShard } from '../../support/composed-shard.ts'
import { batch, event, SseClient, WsClient } from '../../support/shard-clients.ts'

const LIFETIME = { MAX_CONNECTION_LIFETIME_SECONDS: '60' }
const lastFrame = (client: WsClient) => JSON.parse(client.received.at(-1) ?? '') as Record<string, unknown>

/** Without rules about history, positions are not signed. */
const UNSIGNED = { TYPES: '{}' }

describe('a connection', () => {
  it('ends with 4000 when it reaches its maximum lifetime, and not before', async () => {
    await inComposedShard(LIFETIME, async ({ clock, connect, connections, maintenance }) => {
      const stream = new SseClient(await connect({ transport: 'sse' }))
      const socket = new WsClient(await connect({ transport: 'ws' }))
      clock.nowMs += 59_999
      await maintenance.sweep()
      expect(connections.size).toBe(2)
      clock.nowMs += 1
      await maintenance.sweep()
      expect(connections.size).toBe(0)
      const close = { code: 4000, reason: 'Maximum lifetime reached, come back.' }
      expect((await stream.rest()).at(-1)).toMatchObject({ event: 'rig.connection.close', data: { data: close } })
      expect((await socket.until(({ closed }) => closed !== undefined)).closed).toEqual(close)
    })
  })

  it('of rigel.v1 on which nothing happens is told the position of the log by a position frame', async () => {
    await inComposedShard(UNSIGNED, async ({ connect, log, maintenance }) => {
      const client = new WsClient(await connect({ transport: 'ws', protocol: 'rigel.v1' }))
      await log.append([batch([event(0)])])
      await maintenance.sweep()
      await client.until(({ received }) => received.length === 2)
      expect(lastFrame(client)).toEqual({ type: 'position', id: log.position(log.committedSeq) })
      await maintenance.sweep()
      await log.append([batch([event(1)])])
      await maintenance.sweep()
      await client.until(({ received }) => received.length === 3)
      expect(lastFrame(client)).toEqual({ type: 'position', id: log.position(log.committedSeq) })
    })
  })
})

describe('a stream on which nothing happens', () => {
  it.each([
    ['sse', (id: string) => `: heartbeat\nid: ${id}\n\n`],
    ['ndjson', (id: string) => `{"id":"${id}"}\n`],
  ] as const)('is sent heartbeats with the position of the log (%s)', async (transport, heartbeat) => {
    await inComposedShard({ ...UNSIGNED, HEARTBEAT_SECONDS: '1' }, async ({ connect, log }) => {
      const response = await connect({ transport })
      await log.append([batch([event(0)])])
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
      const expected = heartbeat(log.position(log.committedSeq))
      let text = ''
      while (!text.includes(expected)) text += (await reader?.read())?.value ?? ''
      expect(text.endsWith(expected)).toBe(true)
      await reader?.cancel()
    })
  })
})
