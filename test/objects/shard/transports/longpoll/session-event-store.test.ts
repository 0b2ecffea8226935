import { runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { SessionEventStore } from '../../../../../src/objects/shard/transports/longpoll/session-event-store.ts'
import { asUser, newShard } from '../../../../support/shard-clients.ts'

interface StoredRow extends Record<string, SqlStorageValue> {
  connection_id: string
  seq: number
  json: string
}

it('the events that greet a session are one row, and two events after a restart', async () => {
  const shard = newShard()
  const subscriptions = [{ eventType: 'a,\nb', oneOf: [] }]
  const opened = await shard.openLongpolling(asUser('alice'), subscriptions, null)
  if (!opened.ok) throw new Error(opened.reason.kind)
  const id = opened.value.connectionToken.split('.')[1] ?? ''
  await runInDurableObject(shard, (_shard, { storage }) => {
    const rows = storage.sql.exec<StoredRow>('SELECT * FROM session_events WHERE connection_id = ?', id).toArray()
    expect(rows).toHaveLength(1)
    const events = new SessionEventStore(storage.sql).all().get(id) ?? []
    expect(events.map(({ seq }) => seq)).toEqual([rows[0]?.seq, rows[0]?.seq])
    const [created, set] = events.map(({ json }) => JSON.parse(json) as Record<string, unknown>)
    expect(created).toMatchObject({ type: 'rig.connection.create' })
    expect(set).toMatchObject({ type: 'rig.subscriptions_set', data: subscriptions })
  })
})

it('a row of a version before, with one event, is read as it is', async () => {
  await runInDurableObject(newShard(), (_shard, { storage }) => {
    storage.sql.exec('INSERT INTO session_events VALUES (?, ?, ?)', 'old', 3, '{"a":1}')
    storage.sql.exec('INSERT INTO session_events VALUES (?, ?, ?)', 'old', 5, '{"b":2}')
    expect(new SessionEventStore(storage.sql).all().get('old')).toEqual([
      { seq: 3, json: '{"a":1}' },
      { seq: 5, json: '{"b":2}' },
    ])
  })
})
