// A producer of the simulation publishes numbered events, each until it is confirmed.
import { partitionName, type LogPosition } from '../../src/core/events/kafka-record.ts'
import { createKafkaLog } from '../../src/kafka/create-kafka-log.ts'
import type { Random } from '../random.ts'
import { TYPES, USERS, type Simulation } from './simulation.ts'

const RETRY_MS = 20

/** Publishes `count` events in order, each until it is confirmed. Its key keeps them in one partition. */
export async function runProducer(
  simulation: Simulation,
  producer: number,
  count: number,
  random: Random,
): Promise<void> {
  const log = simulation.remote === null ? createKafkaLog(simulation.env, simulation.config) : null
  for (let number = 0; number < count; number += 1) {
    await simulation.clock.wait(random.below(simulation.maxPauseMs))
    const to = random.chance(0.3) ? random.pick(USERS) : null
    const event = { id: `${producer}-${number}`, type: random.pick(TYPES), to, producer, number }
    simulation.published.push({ ...event, order: simulation.published.length, atMs: simulation.clock.nowMs })
    const data = to === null ? {} : { to }
    const json = { specversion: '1.0', id: event.id, source: '/sim', type: event.type, data }
    if (log === null) {
      const place = simulation.remote?.append(`producer ${producer}`, JSON.stringify(json))
      if (place !== undefined) confirm(simulation, event.id, place)
      continue
    }
    const record = {
      topic: simulation.topic,
      key: new TextEncoder().encode(`producer ${producer}`),
      value: new TextEncoder().encode(JSON.stringify(json)),
      headers: [{ key: 'content-type', value: new TextEncoder().encode('application/cloudevents+json') }],
      idempotencyKey: event.id,
    }
    const places = await untilConfirmed(simulation, () => log.produce([record]))
    for (const place of places) confirm(simulation, event.id, place)
  }
}

/** Produces again and again until there is an answer. */
export async function untilConfirmed<T>({ clock }: Simulation, produce: () => Promise<T>): Promise<T> {
  const attempt = () => produce().catch(() => undefined)
  let answer = await attempt()
  for (; answer === undefined; answer = await attempt()) await clock.wait(RETRY_MS)
  return answer
}

export function confirm({ confirmed }: Simulation, id: string, { offset, ...at }: LogPosition): void {
  confirmed.set(id, { partition: partitionName(at), offset })
}
