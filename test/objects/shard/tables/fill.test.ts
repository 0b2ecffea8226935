// Tables through the whole gateway: what was published before a client wanted the table is in it, and users see their own rows.
import { describe, expect, it } from 'vitest'
import { connectSse, publish } from '../../../support/gateway-client.ts'
import type { SseClient } from '../../../support/shard-clients.ts'

const wanted = (eventType: string) => [{ eventType, oneOf: [], state: true }]
const subjects = (client: SseClient, type: string) =>
  client.frames
    .filter((frame) => frame.event === type)
    .map(({ data }) => String(data['subject'] ?? data['partitionkey']))
    .toSorted((a, b) => a.localeCompare(b))
const dataOf = (frame: { readonly data: Record<string, unknown> } | undefined) => frame?.data['data']

describe('a table that a client comes to want', () => {
  it('has what was published before, the newest of each key, and nothing that was removed or is for others', async () => {
    const row = (subject: string, data?: object) => publish({ type: 'row', subject, partitionkey: subject, data })
    for (let n = 0; n < 20; n += 1) await row(`k${n % 10}`, { n })
    await row('k3')
    await row('k4', { recipients: ['alice'], n: 40 })
    await row('k5', { recipients: ['bob'], n: 50 })
    const [alice, bob] = [
      await connectSse({ user: 'alice', subscriptions: wanted('row') }),
      await connectSse({ user: 'bob', subscriptions: wanted('row') }),
    ] as const
    expect(dataOf((await alice.until(1, 'rig.table.complete'))[0])).toEqual({ type: 'row', rows: 8 })
    expect(dataOf((await bob.until(1, 'rig.table.complete'))[0])).toEqual({ type: 'row', rows: 8 })
    expect(subjects(alice, 'row')).toEqual(['k0', 'k1', 'k2', 'k4', 'k6', 'k7', 'k8', 'k9'])
    expect(subjects(bob, 'row')).toEqual(['k0', 'k1', 'k2', 'k5', 'k6', 'k7', 'k8', 'k9'])
    // It is for bob now, and was for alice.
    await row('k4', { recipients: ['bob'], n: 41 })
    expect(dataOf((await alice.until(1, 'rig.table.removed'))[0])).toEqual({ type: 'row', key: 'k4' })
    await bob.until(9, 'row')
    expect(bob.frames.at(-1)?.data['subject']).toBe('k4')
    expect(bob.frames.some(({ event }) => event === 'rig.table.removed')).toBe(false)
    await Promise.all([alice.close(), bob.close()])
  })

  it('gives clients the key of the record', async () => {
    await publish({ type: 'keyed', partitionkey: 'the key', data: {} })
    const client = await connectSse({ subscriptions: wanted('keyed') })
    const [reset] = await client.until(1, 'rig.table.reset')
    expect(dataOf(reset)).toEqual({ type: 'keyed', key_attribute: 'partitionkey' })
    expect(dataOf((await client.until(1, 'rig.table.complete'))[0])).toEqual({ type: 'keyed', rows: 1 })
    expect(subjects(client, 'keyed')).toEqual(['the key'])
    await client.close()
  })
})
