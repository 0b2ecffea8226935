// Turns a request into an event (`target: kafka`, `nats` or `kinesis`): the body is a CloudEvent, or is wrapped in one if the route has an event
// type. RIG's extension `rig` holds the rest of the request. Called by publish-request.ts.
import { fromBinary } from '../../../core/events/cloud-event.ts'
import { isObject, parseExactly } from '../../../core/json.ts'
import { decodeUtf8 } from '../../../core/text.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { Route, Target } from '../../../api-definitions/api-route.ts'
import type { KeyedEvent } from './event-record.ts'
import type { Client } from '../headers/headers.ts'
import type { Trace } from '../../../telemetry/trace-context.ts'

export interface RequestFacts {
  readonly method: string
  /** Path and headers as a service would get them. */
  readonly path: string
  readonly query: string
  readonly headers: Headers
  readonly client: Client
  readonly trace: Trace
  /** Always present, like in RIG. A response to it is dropped if no request waits. */
  readonly correlation: string
  /** The header and the parameter in which the route looks for a token: subscribers are not shown them. */
  readonly tokenIn: { readonly header: string | null; readonly query: string | null } | null
}

export interface Made {
  readonly id: string
  readonly time: string
}

export type Members = Readonly<Record<string, unknown>>

/** The event without what Rigel adds. */
export interface ReadEvent {
  readonly members: Members
  /** The client brought it, and chose its type. */
  readonly isOwn: boolean
}

const NOT_AN_EVENT = 'Bad request: the body does not look like a CloudEvent.'

/** RIG's rule: a body with a `specversion` is an event, whatever its version. Fails with the text for the client. */
export function readRequestEvent(
  body: Uint8Array,
  headers: Headers,
  { api }: Pick<Route, 'api'>,
  { wrapAs }: Extract<Target, { kind: 'publish' }>,
  made: Made,
): Result<ReadEvent, string> {
  const own = ownEvent(body)
  if (own !== undefined) return ok({ members: own, isOwn: true })
  const wrapped = wrapAs === null ? fail(NOT_AN_EVENT) : wrap(body, headers, api, wrapAs, made)
  return wrapped.ok ? ok({ members: wrapped.value, isOwn: false }) : wrapped
}

/** Adds the trace, and RIG's extension with the rest of the request. */
export function toRequestEvent(event: Members, facts: RequestFacts): KeyedEvent {
  const { traceparent, tracestate } = facts.trace
  const traced = tracestate === null ? { traceparent } : { traceparent, tracestate }
  return { key: keyOf(event), event: { ...event, ...traced, rig: rigOf(facts) } }
}

function ownEvent(body: Uint8Array): Members | undefined {
  const value = parseExactly(decodeUtf8(body) ?? '')
  return isObject(value) && 'specversion' in value ? value : undefined
}

function wrap(
  body: Uint8Array,
  headers: Headers,
  api: string,
  type: string,
  { id, time }: Made,
): Result<Members, string> {
  const attributes = { specversion: '1.0', id, source: `/${encodeURIComponent(api)}`, type, time }
  const event = fromBinary(attributes, headers.get('content-type') ?? undefined, body)
  return event.ok ? ok(parseExactly(event.value.json) as Members) : fail(`Bad request: ${event.reason}`)
}

function rigOf({ client, correlation, headers, method, path, query, tokenIn }: RequestFacts): Members {
  const url = URL.parse(`${client.scheme}://${client.host}`)
  return {
    correlation,
    ...(tokenIn === null ? {} : { token_in: tokenIn }),
    remoteip: client.address,
    host: url?.hostname ?? client.host,
    port: Number(url?.port) || (client.scheme === 'https' ? 443 : 80),
    scheme: client.scheme,
    // RIG's headers have `host`, which a request to a service gets by its URL.
    headers: [['host', client.host], ...headers],
    method,
    path,
    query,
  }
}

/** RIG's name comes first. */
function keyOf({ partitionkey, rig }: Members): string | null {
  const asked = isObject(rig) ? rig['target_partition'] : undefined
  const key = asked ?? partitionkey
  return typeof key === 'string' && key !== '' ? key : null
}
