// REQUEST_LOG: one line, or one event, for every request that matched a route, also for refused ones. Logs the path only: a
// query, and headers, may hold tokens. Called by proxy.ts in the background.
import { logIncident } from '../../telemetry/incident-log.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { NewRecord } from '../../core/events/kafka-record.ts'
import type { Target } from '../../api-definitions/api-route.ts'
import { createCountedLog } from '../counted-log.ts'
import type { ProxyContext } from './proxy-context.ts'
import { findSubject, toAvroRecord, toJsonRecord } from './publish/event-record.ts'

export interface RequestOutcome {
  /** Null if the request had no valid token. */
  readonly user: string | null
  readonly status: number
  readonly startedMs: number
  /** When the response began. */
  readonly endedMs: number
}

/** RIG's key: it keeps all events in one partition, in their order. */
const KEY = 'partition'

/** Never throws: a request does not fail because it cannot be logged. */
export async function logRequest(context: ProxyContext, outcome: RequestOutcome): Promise<void> {
  const { config, env } = context.deps
  const { proxy } = config
  if (proxy.requestLog.includes('console')) console.info(toLine(context, outcome))
  if (!proxy.requestLog.includes('kafka')) return
  try {
    await createCountedLog(env, config).produce([await toRecord(context, outcome)])
  } catch (error) {
    logIncident('a proxied request could not be logged to Kafka', {}, { error: String(error) })
  }
}

async function toRecord(context: ProxyContext, outcome: RequestOutcome): Promise<NewRecord> {
  const { config, subjects } = context.deps
  const { proxy, schemas } = config
  const event = { key: KEY, event: toEvent(context, outcome) }
  if (schemas.serializer === null || schemas.logSubject === null) return toJsonRecord(proxy.requestLogTopic, event)
  const subject = await findSubject(subjects, schemas.logSubject)
  if (!subject.ok) throw new Error(subject.reason.kind === 'unavailable' ? subject.reason.message : subject.reason.kind)
  const record = toAvroRecord(proxy.requestLogTopic, event, subject.value)
  if (!record.ok) throw new Error(`it does not fit KAFKA_LOG_SCHEMA: ${record.reason}`)
  return record.value
}

function toLine(context: ProxyContext, outcome: RequestOutcome) {
  const { request, route } = context
  const message = `CALL: [${route.id}] ${request.method} ${route.pattern.source} => ${nameOf(route.target)}`
  return { message, ...toData(context, outcome) }
}

function toEvent(context: ProxyContext, outcome: RequestOutcome) {
  return {
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: '/rig',
    type: 'com.rig.proxy.api.call',
    time: new Date(outcome.startedMs).toISOString(),
    datacontenttype: 'application/json',
    traceparent: context.trace.traceparent,
    data: toData(context, outcome),
  }
}

function toData({ canonicalPath, client, request, route }: ProxyContext, outcome: RequestOutcome) {
  return {
    // The endpoint as it is defined, as in RIG.
    endpoint: { ...route.endpoint, api: route.api },
    request_method: request.method,
    request_path: canonicalPath,
    remote_ip: client.address,
    status: outcome.status,
    duration_ms: outcome.endedMs - outcome.startedMs,
    user: outcome.user,
  }
}

function nameOf(target: Target): string {
  if (target.kind === 'http') return target.upstreams.map(({ base }) => base).join(', ')
  const { kind, name } = sourceOf(target.topic)
  return `${kind}:${name}`
}
