// A producer of the simulation publishes numbered events, each until it is confirmed.
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
    simulation.published.push({ ...event, order: simulation.published.length })
    const data = to === null ? {} : { to }
    const json = { specversion: '1.0', id: event.id, source: '/sim', type: event.type, data }
    if (log === null) {
      simulation.remote?.append(producer, JSON.stringify(json))
      continue
    }
    const record = {
      topic: simulation.topic,
      key: new TextEncoder().encode(`producer ${producer}`),
      value: new TextEncoder().encode(JSON.stringify(json)),
      headers: [{ key: 'content-type', value: new TextEncoder().encode('application/cloudevents+json') }],
      idempotencyKey: event.id,
    }
    while (!(await log.produce([record]).then(() => true, () => false))) await simulation.clock.wait(RETRY_MS) // prettier-ignore
  }
}
