// REQUEST_LOG: one line, or one event, for every request that a route took, refused ones too. Of its path only: a query,
// and headers, may hold tokens.
import type { Config } from '../../config.ts'
import type { Route, Target } from '../../gateway/route.ts'
import { openLog } from '../../kafka/open-log.ts'

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

const encoder = new TextEncoder()
/** RIG's: all calls in one partition, in their order. */
const KEY = encoder.encode('partition')
const CONTENT_TYPE = { key: 'content-type', value: encoder.encode('application/cloudevents+json; charset=utf-8') }

/** Never throws: a request is not refused for its log. */
export async function logCall(env: Env, config: Config, call: Call): Promise<void> {
  const { proxy } = config
  if (proxy.requestLog.includes('console')) console.info(toLine(call))
  if (!proxy.requestLog.includes('kafka')) return
  const value = encoder.encode(JSON.stringify(toEvent(call)))
  try {
    await openLog(env, config).produce([{ topic: proxy.requestLogTopic, key: KEY, headers: [CONTENT_TYPE], value }])
  } catch (error) {
    console.error('a proxied request could not be logged to Kafka', error)
  }
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
