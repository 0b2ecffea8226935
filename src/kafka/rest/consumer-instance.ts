// Requests for one consumer instance, the reading state that Confluent's, Karapace's and Strimzi's proxies keep: create,
// assign one partition (no consumer group is joined), seek, poll, delete. Its lifetime is decided by instance-reader.ts.
import * as z from 'zod'
import type { Dialect } from '../../config/kafka-rest.ts'
import type { LogPosition, TopicPartition } from '../../core/events/kafka-record.ts'
import { fetchedRecords, type FetchedRecord } from './records.ts'
import { BINARY_V2, parseResponse, requireOk, V2, type RestClient } from './rest-client.ts'

/** Never joined or committed to. ACLs can name it. */
const GROUP = 'rigel'
/** Longest poll that an instance allows. Each poll sets its own wait. */
const REQUEST_TIMEOUT_MS = 60_000
/** Short, because a failed deletion is repeated later. */
const DELETE_TIMEOUT_MS = 3_000

/** An instance on a proxy. */
export interface ConsumerInstance {
  readonly url: string
  /** Load balancer cookies that lead to the proxy with this instance. */
  readonly cookie: string | undefined
}

/** How to create an instance. */
export interface InstanceOptions {
  readonly dialect: Dialect
  /** Unique: two instances of one name would take each other's records. */
  readonly name: string
  /** Consumer group. The default is never joined. */
  readonly group?: string
  readonly instanceHosts: readonly string[]
}

const created = z.object({ instance_id: z.string().min(1), base_uri: z.string().optional() })

/** Returns the new instance. Throws a KafkaRestError; without a response the instance may exist anyway. */
export async function createInstance(client: RestClient, options: InstanceOptions): Promise<ConsumerInstance> {
  const { dialect, name, group = GROUP, instanceHosts } = options
  const answer = await client.request({
    method: 'POST',
    path: `/consumers/${group}`,
    contentType: V2,
    body: JSON.stringify(instanceConfig(dialect, name)),
  })
  const { instance_id: id, base_uri: baseUri } = parseResponse(client, answer, created)
  const cookie = answer.cookies.length === 0 ? undefined : answer.cookies.join('; ')
  return {
    url: resolveInstanceUrl(instanceUrlOf(client, id, group), baseUri, instanceHosts),
    cookie,
  }
}

/** Returns the URL of an instance by convention, for when the proxy's response is missing. */
export function instanceUrlOf(client: RestClient, id: string, group = GROUP): string {
  return `${client.url}/consumers/${group}/instances/${encodeURIComponent(id)}`
}

/** Always sets `auto.offset.reset` and auto-commit: the defaults differ, and most of them lose records. */
function instanceConfig(dialect: Dialect, name: string): Record<string, unknown> {
  const common = { name, format: 'binary', 'auto.offset.reset': 'earliest' }
  // Strings only, and no unknown fields: Redpanda's parser refuses others.
  if (dialect === 'redpanda') return { ...common, 'auto.commit.enable': 'false' }
  const waiting = { 'fetch.min.bytes': 1, 'consumer.request.timeout.ms': REQUEST_TIMEOUT_MS }
  if (dialect !== 'strimzi') return { ...common, ...waiting, 'auto.commit.enable': 'false' }
  return { ...common, ...waiting, 'enable.auto.commit': false, 'isolation.level': 'read_committed' }
}

/**
 * Returns the URL to use for an instance. A proxy behind a load balancer returns an internal host, or http for https, in
 * `base_uri`. Credentials go only to hosts in KAFKA_REST_INSTANCE_HOSTS; all others are reached through the configured URL
 * and the load balancer's cookie. The scheme is always the configured one.
 */
export function resolveInstanceUrl(
  configured: string,
  baseUri: string | undefined,
  instanceHosts: readonly string[],
): string {
  const named = baseUri !== undefined && URL.canParse(baseUri) ? new URL(baseUri) : undefined
  if (named !== undefined && instanceHosts.includes(named.host)) {
    return `${new URL(configured).protocol}//${named.host}${named.pathname.replace(/\/+$/, '')}`
  }
  return configured
}

/** Assigns one partition by hand. */
export async function assign(client: RestClient, instance: ConsumerInstance, { topic, partition }: TopicPartition) {
  await post(client, instance, 'assignments', { partitions: [{ topic, partition }] })
}

/** Sets the offset of the next poll. */
export async function seek(client: RestClient, instance: ConsumerInstance, { topic, partition, offset }: LogPosition) {
  await post(client, instance, 'positions', { offsets: [{ topic, partition, offset }] })
}

/** Subscribes to a whole topic: Redpanda's instances have no assignment. */
export async function subscribe(client: RestClient, instance: ConsumerInstance, topic: string): Promise<void> {
  await post(client, instance, 'subscription', { topics: [topic] })
}

async function post(client: RestClient, { url, cookie }: ConsumerInstance, verb: string, body: object): Promise<void> {
  const request = {
    method: 'POST',
    path: `${url}/${verb}`,
    cookie,
    contentType: V2,
    body: JSON.stringify(body),
  } as const
  requireOk(client, await client.request(request))
}

/** Limits of one poll. */
export interface PollLimits {
  readonly waitMs: number
  /** Null for the proxy's own limit. */
  readonly maxBytes: number | null
  /** Largest accepted response. */
  readonly capBytes: number
}

/** Added to the poll's wait: a late response is better than a new instance. */
const POLL_GRACE_MS = 10_000

/** Returns the next records of the instance. */
export async function poll(
  client: RestClient,
  { url, cookie }: ConsumerInstance,
  { waitMs, maxBytes, capBytes }: PollLimits,
): Promise<readonly FetchedRecord[]> {
  const query = `timeout=${waitMs}${maxBytes === null ? '' : `&max_bytes=${maxBytes}`}`
  const answer = await client.request({
    method: 'GET',
    path: `${url}/records?${query}`,
    accept: BINARY_V2,
    cookie,
    timeoutMs: waitMs + POLL_GRACE_MS,
    maxBytes: capBytes,
  })
  return parseResponse(client, answer, fetchedRecords)
}

/** Returns whether the instance no longer exists. Never throws. */
export async function deleteInstance(client: RestClient, { url, cookie }: ConsumerInstance): Promise<boolean> {
  const request = { method: 'DELETE', path: url, contentType: V2, cookie, timeoutMs: DELETE_TIMEOUT_MS } as const
  const answer = await client.request(request).catch(() => undefined)
  return answer !== undefined && (answer.status < 300 || answer.status === 404)
}
