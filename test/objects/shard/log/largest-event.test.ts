// The platform's own limit of a row: what routing lets through (core/delivery/batch-codec.ts) must be stored by a real shard.
import { expect, it } from 'vitest'
import { fitsRow, MAX_ROW_BYTES } from '../../../../src/core/delivery/batch-codec.ts'
import { asUser, batch, event, newShard, WsClient } from '../../../support/shard-clients.ts'

const TEXT_BYTES = 1_048_576
const USER_BYTES = 90

it('a shard stores and delivers the largest event that routing lets through, and what is behind it', async () => {
  const shard = newShard()
  const client = await WsClient.open(shard, { protocol: 'rigel.v1', principal: asUser('alice') })
  const json = JSON.stringify({ specversion: '1.0', id: '0', source: '/t', type: 'private', data: '' })
  const utf8 = new TextEncoder().encode(json.replace('""', `"${'x'.repeat(TEXT_BYTES - json.length)}"`))
  // Quotes and a comma for each.
  const count = Math.floor((MAX_ROW_BYTES - TEXT_BYTES - 100) / (USER_BYTES + 3))
  const users = Array.from({ length: count }, (_, n) => `${n}`.padEnd(USER_BYTES, 'u'))
  const largest = batch([event(0, { type: 'private', utf8, recipients: ['alice', ...users] })])
  expect(largest.packs.map((pack) => [fitsRow(pack), fitsRow(pack, 300)])).toEqual([[true, false]])
  await shard.append([largest, batch([event(1, { type: 'private', recipients: ['alice'] })])])
  expect((await client.untilType('private', 2)).map(({ event: { id } }) => id)).toEqual(['0', '1'])
})
