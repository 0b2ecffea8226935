// The log that requests produce to. Counts produced records and failures in the metrics of the isolate, and passes the
// publisher's trace on.
import type { Config } from '../config/parse-config.ts'
import type { NewRecord } from '../core/events/kafka-record.ts'
import { createEventLog } from '../sources/create-event-log.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import type { Trace } from '../telemetry/trace-context.ts'
import { recordProduced, withTrace } from './request-trace.ts'
import { workerContext } from './worker-context.ts'

/** `trace`: the span of the produce, which each record gets as its parent; null: the records are left as they are. */
export function createCountedLog(env: Env, config: Config, trace: Trace | null = null): Pick<KafkaLog, 'produce'> {
  const log = createEventLog(env, config)
  return {
    async produce(records: readonly NewRecord[]) {
      const { metrics, tracer = null } = workerContext(env).variables ?? {}
      const startMs = Date.now()
      const traced = (error: string | null) => {
        if (trace === null || tracer === null) return
        recordProduced(tracer, trace, records, { startMs, endMs: Date.now(), error })
      }
      try {
        const produced = await log.produce(trace === null ? records : records.map((record) => withTrace(record, trace)))
        metrics?.produced(records, false)
        traced(null)
        return produced
      } catch (error) {
        metrics?.produced(records, true)
        traced(String(error))
        metrics?.failed('log', `events could not be produced: ${String(error)}`)
        throw error
      }
    },
  }
}
