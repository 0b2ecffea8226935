import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { createEmbeddedKafkaLog } from '../../../src/kafka/embedded-adapter.ts'
import { EmbeddedBroker } from '../../../src/objects/embedded-kafka/embedded-broker.ts'
import { PartitionLog } from '../../../src/objects/embedded-kafka/partition-log.ts'
import { kafkaLogContract } from '../../kafka/contract.ts'

const chance = { nowMs: () => 1, random: () => 0, keepAlive: () => undefined }

kafkaLogContract('the embedded log', () => createEmbeddedKafkaLog(env, chance))

const bytes = (text: string) => new TextEncoder().encode(text)
const record = (value: Uint8Array | null) => ({ timestampMs: 1, key: null, headers: [], value })

describe('the partitions of a topic', () => {
  /** The counts of topics that a broker is asked for after it has started with each KAFKA_PARTITIONS in turn. */
  const countsOf = (topic: string, configured: readonly string[]) =>
    runInDurableObject(env.EMBEDDED_BROKER.getByName(topic), (_broker, state) =>
      configured.map((KAFKA_PARTITIONS) =>
        new EmbeddedBroker(state, { ...env, KAFKA_PARTITIONS } as Env).ensureTopic(topic),
      ),
    )

  it('are as many as configured, more when that grows, and never fewer', async () => {
    expect(await countsOf('growing', ['2', '5', '1'])).toEqual([2, 5, 5])
  })

  it('are asked for again while an older broker answers with fewer than configured', async () => {
    const answers = [1, 3]
    const broker = { getByName: () => ({ ensureTopic: async () => answers.shift() ?? 0 }) }
    const later = { ...env, KAFKA_PARTITIONS: '3', EMBEDDED_BROKER: broker } as unknown as Env
    const log = createEmbeddedKafkaLog(later, chance)
    const counts = []
    for (let asked = 0; asked < 3; asked += 1) counts.push((await log.partitions('deployed')).length)
    expect(counts).toEqual([1, 3, 3])
  })
})

describe('the embedded log', () => {
  it('keeps everything when its object is evicted', async () => {
    const log = env.EMBEDDED_LOG.getByName('kept/0')
    await log.append([record(bytes('a')), record(null), record(Uint8Array.of(255, 0, 128))])
    await evictDurableObject(log)
    const fetched = await log.read(0, { maxWaitMs: 0, maxBytes: 1_000 })
    expect(fetched.kind === 'records' && fetched.records.map(({ value }) => value && [...value])).toEqual([
      [97],
      null,
      [255, 0, 128],
    ])
  })

  it('answers about as many bytes as asked for, and at least one record', async () => {
    const log = env.EMBEDDED_LOG.getByName('sized/0')
    await log.append([record(bytes('x'.repeat(1_000))), record(bytes('y'.repeat(10))), record(bytes('z'))])
    const counts = []
    for (const maxBytes of [1, 1_010, 5_000]) {
      const fetched = await log.read(0, { maxWaitMs: 0, maxBytes })
      counts.push(fetched.kind === 'records' && fetched.records.length)
    }
    expect(counts).toEqual([1, 2, 3])
  })

  it('forgets by time and by bytes, oldest first, and says where it begins', async () => {
    const log = env.EMBEDDED_LOG.getByName('trimmed/0')
    const ranges = await runInDurableObject(log, (_instance, state) => {
      const at = { topic: 'trimmed', partition: 0 }
      const partition = new PartitionLog(state.storage, at, {
        retentionMs: 1_000,
        retentionBytes: 2_500,
        dedupe: { windowMs: 1_000, maxKeys: 10 },
      })
      const thousand = record(bytes('x'.repeat(1_000)))
      const seen = [0, 1, 2].map((nowMs) => {
        partition.append([[thousand]], nowMs)
        return partition.offsets()
      })
      partition.append([[record(bytes('late'))]], 5_000)
      return [...seen, partition.offsets(), partition.read(0, 10)]
    })
    expect(ranges).toEqual([
      { earliest: 0, latest: 1 },
      { earliest: 0, latest: 2 },
      { earliest: 1, latest: 3 },
      { earliest: 3, latest: 4 },
      { kind: 'offset_out_of_range', earliest: 3, latest: 4 },
    ])
  })

  it('refuses a record that its storage could not hold, and one for a partition that there is not', async () => {
    const log = createEmbeddedKafkaLog(env, chance)
    await expect(log.produce([{ topic: 't', value: new Uint8Array(2_000_000) }])).rejects.toThrow(/2000000 bytes/)
    await expect(log.produce([{ topic: 't', partition: 4, value: bytes('v') }])).rejects.toThrow(/0 to 3/)
    expect(await log.fetch({ topic: 't', partition: 4, offset: 0 }, { maxWaitMs: 0, maxBytes: 1 })).toEqual({
      kind: 'unknown_topic_or_partition',
    })
  })
})
