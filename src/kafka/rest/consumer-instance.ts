// A consumer instance: what Confluent's, Karapace's and Strimzi's proxies keep for whoever reads. Made, assigned one
// partition by hand (no consumer group is joined), sought, read, deleted. How long one is kept is instance-reader.ts's.
import { z } from 'zod'
import type { Dialect } from '../../config/kafka-rest.ts'
import type { LogPosition, TopicPartition } from '../../core/events/kafka-record.ts'
import { fetchedRecords, type FetchedRecord } from './records.ts'
import { BINARY_V2, parseAnswer, requireOk, V2, type RestClient } from './rest-client.ts'

/** Nobody joins it and nothing is committed to it: it is what an ACL can name. */
const GROUP = 'rigel'
/** How long an instance may hold a poll; the poll says how long it does. */
const REQUEST_TIMEOUT_MS = 60_000
/** The end of an instance is worth a moment, not more: it is tried again. */
const DELETE_TIMEOUT_MS = 3_000

export interface Instance {
  readonly url: string
  /** Of a load balancer, by which it finds the proxy that has the instance. */
  readonly cookie: string | undefined
}

export interface InstanceOptions {
  readonly dialect: Dialect
  /** Of its own: two that share one would take each other's records. */
  readonly name: string
  /** Without it, one that nobody joins. */
  readonly group?: string
  readonly instanceHosts: readonly string[]
}

const created = z.object({ instance_id: z.string().min(1), base_uri: z.string().optional() })

export async function createInstance(client: RestClient, options: InstanceOptions): Promise<Instance> {
  const { dialect, name, group = GROUP, instanceHosts } = options
  const answer = await client.ask({
    method: 'POST',
    path: `/consumers/${group}`,
    contentType: V2,
    body: JSON.stringify(instanceConfig(dialect, name)),
  })
  const { instance_id: id, base_uri: baseUri } = parseAnswer(client, answer, created)
  const cookie = answer.cookies.length === 0 ? undefined : answer.cookies.join('; ')
  return {
    url: instanceUrl(urlOf(client, id, group), baseUri, instanceHosts),
    cookie,
  }
}

/** Where it is, as far as can be said without the proxy's answer. */
export function urlOf(client: RestClient, id: string, group = GROUP): string {
  return `${client.url}/consumers/${group}/instances/${encodeURIComponent(id)}`
}

/** `auto.offset.reset` and auto-commit are always said: their defaults differ, and most of them lose records. */
function instanceConfig(dialect: Dialect, name: string): Record<string, unknown> {
  const common = { name, format: 'binary', 'auto.offset.reset': 'earliest' }
  // Text, and no more than it knows: Redpanda's parser refuses the rest.
  if (dialect === 'redpanda') return { ...common, 'auto.commit.enable': 'false' }
  const waiting = { 'fetch.min.bytes': 1, 'consumer.request.timeout.ms': REQUEST_TIMEOUT_MS }
  if (dialect !== 'strimzi') return { ...common, ...waiting, 'auto.commit.enable': 'false' }
  return { ...common, ...waiting, 'enable.auto.commit': false, 'isolation.level': 'read_committed' }
}

/**
 * Where to ask for an instance. A proxy behind a load balancer names itself: a host of the inside, or http for https. So
 * only hosts that the configuration names are believed, and credentials go nowhere else; any other is asked for at the
 * proxy's own URL, where the load balancer's cookie finds it. The scheme is the configured one in both cases.
 */
export function instanceUrl(configured: string, baseUri: string | undefined, instanceHosts: readonly string[]): string {
  const named = baseUri !== undefined && URL.canParse(baseUri) ? new URL(baseUri) : undefined
  if (named !== undefined && instanceHosts.includes(named.host)) {
    return `${new URL(configured).protocol}//${named.host}${named.pathname.replace(/\/+$/, '')}`
  }
  return configured
}

export async function assign(client: RestClient, instance: Instance, { topic, partition }: TopicPartition) {
  await post(client, instance, 'assignments', { partitions: [{ topic, partition }] })
}

export async function seek(client: RestClient, instance: Instance, { topic, partition, offset }: LogPosition) {
  await post(client, instance, 'positions', { offsets: [{ topic, partition, offset }] })
}

/** Redpanda's only way of giving one something to read. */
export async function subscribe(client: RestClient, instance: Instance, topic: string): Promise<void> {
  await post(client, instance, 'subscription', { topics: [topic] })
}

async function post(client: RestClient, { url, cookie }: Instance, verb: string, body: object): Promise<void> {
  const request = {
    method: 'POST',
    path: `${url}/${verb}`,
    cookie,
    contentType: V2,
    body: JSON.stringify(body),
  } as const
  requireOk(client, await client.ask(request))
}

export interface PollLimits {
  readonly waitMs: number
  /** Null: as many as the proxy answers with. */
  readonly maxBytes: number | null
  /** Of the answer. */
  readonly capBytes: number
}

/** Longer than the poll: what comes late is still worth more than a new instance. */
const POLL_GRACE_MS = 10_000

export async function poll(
  client: RestClient,
  { url, cookie }: Instance,
  { waitMs, maxBytes, capBytes }: PollLimits,
): Promise<readonly FetchedRecord[]> {
  const query = `timeout=${waitMs}${maxBytes === null ? '' : `&max_bytes=${maxBytes}`}`
  const answer = await client.ask({
    method: 'GET',
    path: `${url}/records?${query}`,
    accept: BINARY_V2,
    cookie,
    timeoutMs: waitMs + POLL_GRACE_MS,
    maxBytes: capBytes,
  })
  return parseAnswer(client, answer, fetchedRecords)
}

/** Answers whether it is gone. Never throws. */
export async function deleteInstance(client: RestClient, { url, cookie }: Instance): Promise<boolean> {
  const request = { method: 'DELETE', path: url, contentType: V2, cookie, timeoutMs: DELETE_TIMEOUT_MS } as const
  const answer = await client.ask(request).catch(() => undefined)
  return answer !== undefined && (answer.status < 300 || answer.status === 404)
}
