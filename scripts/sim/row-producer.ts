// A producer of the simulation that changes rows of tables: it writes, moves rows to another tenant or user, and removes them
// by an event without data or by a tombstone. It alone changes its keys, so that their order is known.
import { createKafkaLog } from '../../src/kafka/create-kafka-log.ts'
import type { LogPosition } from '../../src/core/events/kafka-record.ts'
import type { Random } from '../random.ts'
import { confirm, untilConfirmed } from './producer.ts'
import { TENANTS, type RowType, type RowVersion } from './rows.ts'
import { USERS, type Simulation } from './simulation.ts'

/** Few, so that each changes several times. */
const KEYS = 4
/** Producers of rows count as one producer for each key: events of one key are in order. */
const FIRST_NUMBER = 100

/** Changes `count` rows in order, each until it is confirmed. */
export async function runRowProducer(
  simulation: Simulation,
  producer: number,
  count: number,
  random: Random,
): Promise<void> {
  const append = appendTo(simulation)
  for (let changes = 0; changes < count; changes += 1) {
    await simulation.clock.wait(random.below(simulation.maxPauseMs))
    const index = random.below(KEYS)
    const type = index < KEYS / 2 ? 'row' : 'keyed'
    const number = FIRST_NUMBER + producer * KEYS + index
    const version = makeVersion(simulation, `key-${number}`, type, number, random)
    simulation.rows.add(version)
    const places = await append(version)
    for (const place of places) if (version.id !== null) confirm(simulation, version.id, place)
  }
}

function makeVersion(
  { clock, published, remote, rows }: Simulation,
  key: string,
  type: RowType,
  producer: number,
  random: Random,
): RowVersion {
  const number = rows.versionsOf(key).length
  const kind = random.pick(['row', 'row', 'row', 'addressed', 'gone', 'tombstone'])
  const to = kind === 'addressed' ? random.pick(USERS) : null
  // The Kafka elsewhere has no records without a value: its API transports text.
  const isTombstone = kind === 'tombstone' && remote === null
  const tenant = kind === 'gone' || kind === 'tombstone' ? null : random.pick(TENANTS)
  if (isTombstone) return { key, type, id: null, number, tenant, to }
  const id = `${producer}-${number}`
  published.push({ id, type, to, producer, number, order: published.length, atMs: clock.nowMs })
  return { key, type, id, number, tenant, to }
}

function appendTo(simulation: Simulation): (version: RowVersion) => Promise<readonly LogPosition[]> {
  const { config, env, remote, topic } = simulation
  if (remote !== null) return async (version) => [remote.append(version.key, textOf(version) ?? '')]
  const log = createKafkaLog(env, config)
  const encoder = new TextEncoder()
  return (version) => {
    const text = textOf(version)
    const record = {
      topic,
      key: encoder.encode(version.key),
      value: text === null ? null : encoder.encode(text),
      headers: [{ key: 'content-type', value: encoder.encode('application/cloudevents+json') }],
      idempotencyKey: `${version.key} ${version.number}`,
    }
    return untilConfirmed(simulation, () => log.produce([record]))
  }
}

/** Null: a tombstone. */
function textOf({ id, key, tenant, to, type }: RowVersion): string | null {
  if (id === null) return null
  const data = { tenant, ...(to === null ? {} : { to }) }
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: '/sim',
    type,
    // The attribute is no key where that is the subject.
    ...(type === 'row' ? { subject: key, partitionkey: 'a customer' } : {}),
    ...(tenant === null ? {} : { data }),
  })
}
