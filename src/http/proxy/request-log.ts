// REQUEST_LOG: one line, or one event, for every request that a route took, refused ones too. Of its path only: a query,
// and headers, may hold tokens.
import type { Config } from '../../config/parse-config.ts'
import type { NewRecord } from '../../core/events/kafka-record.ts'
import type { Route, Target } from '../../api-definitions/api-route.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import type { SubjectCache } from '../../schema-registry/subject-cache.ts'
import { findSubject, toAvroRecord, toJsonRecord } from './event-record.ts'

export interface Call {
  readonly route: Route
  readonly method: string
  /** As the client asked. */
  readonly path: string
  readonly address: string | null
  readonly user: string | null
  readonly status: number
  /** Until the answer began. */
  readonly durationMs: number
  readonly atMs: number
  readonly traceparent: string
}

export interface CallLog {
  readonly env: Env
  readonly config: Config
  readonly subjects: SubjectCache | null
}

/** RIG's: all calls in one partition, in their order. */
const KEY = 'partition'

/** Never throws: a request is not refused for its log. */
export async function logCall(log: CallLog, call: Call): Promise<void> {
  const { config, env } = log
  const { proxy } = config
  if (proxy.requestLog.includes('console')) console.info(toLine(call))
  if (!proxy.requestLog.includes('kafka')) return
  try {
    await createKafkaLog(env, config).produce([await toRecord(log, call)])
  } catch (error) {
    console.error('a proxied request could not be logged to Kafka', error)
  }
}

async function toRecord({ config, subjects }: CallLog, call: Call): Promise<NewRecord> {
  const { proxy, schemas } = config
  const event = { key: KEY, event: toEvent(call) }
  if (schemas.serializer === null || schemas.logSubject === null) return toJsonRecord(proxy.requestLogTopic, event)
  const subject = await findSubject(subjects, schemas.logSubject)
  if (!subject.ok) throw new Error(subject.reason.kind === 'unavailable' ? subject.reason.message : subject.reason.kind)
  const record = toAvroRecord(proxy.requestLogTopic, event, subject.value)
  if (!record.ok) throw new Error(`it does not fit KAFKA_LOG_SCHEMA: ${record.reason}`)
  return record.value
}

function toLine(call: Call) {
  const { method, route } = call
  const message = `CALL: [${route.id}] ${method} ${route.pattern.source} => ${nameOf(route.target)}`
  return { message, ...toData(call) }
}

function toEvent(call: Call) {
  return {
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: '/rig',
    type: 'com.rig.proxy.api.call',
    time: new Date(call.atMs).toISOString(),
    datacontenttype: 'application/json',
    traceparent: call.traceparent,
    data: toData(call),
  }
}

function toData({ address, durationMs, method, path, route, status, user }: Call) {
  return {
    endpoint: { api: route.api, id: route.id, method: route.method, path_regex: route.pattern.source },
    request_method: method,
    request_path: path,
    remote_ip: address,
    status,
    duration_ms: durationMs,
    user,
  }
}

function nameOf(target: Target): string {
  return target.kind === 'kafka' ? `kafka:${target.topic}` : target.upstreams.map(({ base }) => base).join(', ')
}
