// Rigel following a stream of Kinesis (kinesis-mock), through splits and merges in mid-stream, a server that is killed, and
// kills of its own: nothing lost, nothing twice, of each key in order; and requests published to Kinesis.
// Run: npm run test:sources
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { KINESIS_VARIABLES, KinesisServer } from '../../scripts/sources/kinesis-server.ts'
import { sleep, until } from '../e2e/rigel.ts'
import { RigelOnSource } from './rigel-on-source.ts'

const PORT = 20_730
const STREAM = 'clicks'
const TOPIC = `kinesis:${STREAM}`

/** Longer than Rigel waits for an answer. */
const HANG_MS = 20_000

let kinesis: KinesisServer
let rigelOnSource: RigelOnSource

void describe('Kinesis', () => {
  before(async () => {
    kinesis = await KinesisServer.start(PORT)
    await kinesis.createStream(STREAM, 2)
    await kinesis.createStream('requests', 1)
    const variables = {
      ...KINESIS_VARIABLES,
      KINESIS_ENDPOINT: kinesis.endpoint,
      KINESIS_STREAM: STREAM,
      PROXY_CONFIG: JSON.stringify([{ id: 'publishing', routes: { 'POST /clicks': { target: 'kinesis:requests' } } }]),
    }
    rigelOnSource = await RigelOnSource.start(variables, 20_740, (_id, key, json) => kinesis.put(STREAM, key, json))
    await rigelOnSource.connectClients()
  })
  after(async () => {
    await rigelOnSource?.end()
    await kinesis?.stop()
  })

  void test('what is put into the stream reaches every transport, once, and of each key in order', async () => {
    await rigelOnSource.events.produce(20)
    await rigelOnSource.settle()
  })

  void test('a shard is split in mid-stream, and its children are split again', async () => {
    for (let round = 0; round < 2; round += 1) {
      const producing = rigelOnSource.events.produce(20, 20)
      await sleep(200)
      const open = (await kinesis.shards(STREAM)).filter(
        ({ SequenceNumberRange: { EndingSequenceNumber: end } }) => !end,
      )
      for (const shard of open.slice(0, 2)) await kinesis.split(STREAM, shard)
      await producing
    }
    await rigelOnSource.events.produce(5)
    await rigelOnSource.settle(90_000)
  })

  void test('shards are merged in mid-stream', async () => {
    const producing = rigelOnSource.events.produce(20, 20)
    await sleep(200)
    const open = (await kinesis.shards(STREAM))
      .filter(({ SequenceNumberRange: { EndingSequenceNumber: end } }) => !end)
      .toSorted((a, b) => (BigInt(a.HashKeyRange.StartingHashKey) < BigInt(b.HashKeyRange.StartingHashKey) ? -1 : 1))
    const [one, next] = open
    assert.ok(one && next)
    await kinesis.merge(STREAM, one, next)
    await producing
    await rigelOnSource.events.produce(5)
    await rigelOnSource.settle(90_000)
  })

  void test('Rigel is killed in mid-stream, just after a split, and starts again', async () => {
    const producing = rigelOnSource.events.produce(60, 30)
    await sleep(500)
    const shard = (await kinesis.shards(STREAM)).find(({ SequenceNumberRange: range }) => !range.EndingSequenceNumber)
    assert.ok(shard)
    await kinesis.split(STREAM, shard)
    await rigelOnSource.rigel.kill()
    await sleep(500)
    await rigelOnSource.rigel.start()
    await producing
    await rigelOnSource.settle(90_000)
  })

  void test('a server that is killed, and comes back with what it has', async () => {
    await kinesis.kill()
    await until('health tells the reason', async () => {
      const { body, status } = await rigelOnSource.internal('health')
      return (
        status === 503 && /kinesis:clicks\/\d+: failed \d+ times: Error: Kinesis: \w+: no answer from 127/.test(body)
      )
    })
    await kinesis.start()
    await rigelOnSource.events.produce(10)
    await rigelOnSource.settle(90_000)
    await until('health is well', async () => (await rigelOnSource.internal('health')).status === 200)
  })

  void test('a server that hangs, and goes on', async () => {
    await kinesis.signal('SIGSTOP')
    await sleep(HANG_MS)
    await kinesis.signal('SIGCONT')
    await rigelOnSource.events.produce(10)
    await rigelOnSource.settle(90_000)
  })

  void test('what is no event becomes a dead letter with its shard, and what is behind it comes', async () => {
    await kinesis.put(STREAM, 'poison', 'this is no event')
    await rigelOnSource.events.produce(2)
    await rigelOnSource.settle()
    const { body } = await rigelOnSource.internal('v3/dead-letters')
    const { dead_letters: letters } = JSON.parse(body) as {
      readonly dead_letters: readonly { readonly origin: { readonly topic: string }; readonly value: unknown }[]
    }
    assert.deepEqual(
      letters.map(({ origin, value }) => [origin.topic, value]),
      [[TOPIC, { text: 'this is no event' }]],
    )
  })

  void test('shards that have ended have been read, and are not said to fail', async () => {
    // A poll that finds nothing takes ten seconds: until then a follower has the failure before it.
    await until('no follower fails', async () =>
      (await rigelOnSource.followers(TOPIC)).every(({ failures }) => failures === 0),
    )
    const followers = await rigelOnSource.followers(TOPIC)
    assert.equal(followers.length, (await kinesis.shards(STREAM)).length)
    assert.ok(followers.some(({ counters }) => counters?.cursor === 'end'))
    assert.ok(followers.every(({ lag }) => lag === null))
  })

  void test('a request is published to a stream', async () => {
    const event = { specversion: '1.0', id: 'r1', source: '/r', type: 'click', rig: { target_partition: 'alice' } }
    const response = await fetch(`${rigelOnSource.rigel.origin}/clicks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(event),
    })
    assert.equal(response.status, 202, await response.text())
    const [shard] = await kinesis.shards('requests')
    const { ShardIterator } = await kinesis.call<{ readonly ShardIterator: string }>('GetShardIterator', {
      StreamName: 'requests',
      ShardId: shard?.ShardId,
      ShardIteratorType: 'TRIM_HORIZON',
    })
    const { Records } = await kinesis.call<{
      readonly Records: readonly { readonly Data: string; readonly PartitionKey: string }[]
    }>('GetRecords', { ShardIterator })
    const [record] = Records
    assert.equal(record?.PartitionKey, 'alice')
    assert.equal((JSON.parse(atob(record.Data)) as { readonly id: string }).id, 'r1')
  })
})
