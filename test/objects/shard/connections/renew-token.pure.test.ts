// What a renewal changes of a connection that ends meanwhile.
import { expect, it, vi } from 'vitest'
import { ConnectionRegistry } from '../../../../src/objects/shard/connections/connection-registry.ts'
import { TokenRenewal } from '../../../../src/objects/shard/connections/renew-token.ts'
import type { RevocationList } from '../../../../src/objects/shard/revocation-list.ts'
import type { ShardContext } from '../../../../src/objects/shard/shard-context.ts'
import type { SubscriptionUpdater } from '../../../../src/objects/shard/subscriptions/update-subscriptions.ts'
import { FakeConnection } from '../../../support/fake-connection.ts'

it('is nothing: it is not stored again', async () => {
  const limits = { perShard: 1, perMinute: 1, perUser: 1, perSession: 1, metadataIndexes: [] }
  const connections = new ConnectionRegistry(limits)
  const connection = new FakeConnection({ owner: { user: 'alice', sessions: ['s1'], openedAtMs: 0, metadata: {} } })
  connections.add(connection)
  const save = vi.spyOn(connection, 'save')
  const replace = async () => {
    connections.remove(connection)
    return { ok: true, value: null }
  }
  const context = { now: () => 0, config: { connections: { lifetimeMs: 1_000 }, extractors: new Map() } }
  const renewal = new TokenRenewal(context as unknown as ShardContext, {
    connections,
    revocations: { has: () => false } as unknown as RevocationList,
    subscriptions: { replace } as unknown as SubscriptionUpdater,
  })
  const principal = { user: 'alice', session: 's1', expSeconds: 60 }
  const renewed = await renewal.renew(connection.state.id, principal, [], undefined)
  expect([renewed, save.mock.calls]).toEqual([{ ok: false, reason: { kind: 'connection_gone' } }, []])
})
