// The log that requests produce to. Counts produced records and failures in the metrics of the isolate.
import type { Config } from '../config/parse-config.ts'
import type { NewRecord } from '../core/events/kafka-record.ts'
import { createEventLog } from '../sources/create-event-log.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { workerContext } from './worker-context.ts'

export function createCountedLog(env: Env, config: Config): Pick<KafkaLog, 'produce'> {
  const log = createEventLog(env, config)
  return {
    async produce(records: readonly NewRecord[]) {
      const { metrics } = workerContext(env)
      try {
        const produced = await log.produce(records)
        metrics?.produced(records, false)
        return produced
      } catch (error) {
        metrics?.produced(records, true)
        metrics?.failed('log', `events could not be produced: ${String(error)}`)
        throw error
      }
    },
  }
}
