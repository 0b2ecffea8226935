// The offsets of a client's state: for each topic-partition the last offset that was applied to it, such as
// `orders/3@1042`. Services send them as `Rigel-As-Of`, clients as `as_of`. Pure. resolve-as-of.ts finds where such a
// client continues.
import { partitionName, type LogPosition } from '../events/kafka-record.ts'
import { fail, ok, type Result } from '../result.ts'

/** `<topic>/<partition>` → the last offset that the state has; -1: the state has no event of the partition. */
export type AsOf = ReadonlyMap<string, number>

/** The response header of services. */
export const AS_OF_HEADER = 'Rigel-As-Of'

/** The response header with the offsets that a request has published, in the same form. */
export const PRODUCED_HEADER = 'Rigel-Produced'

/** Limits calls: the follower of each partition is asked. Limits memory: each connection stores the offsets. */
const MAX_AS_OF_PARTITIONS = 100

/** Topic names of Kafka have up to 249 characters; NATS subjects up to 200. */
const MAX_TOPIC_CHARS = 255

const ITEM = /^([^\s,@/]+)\/(0|[1-9]\d{0,8})@(-1|0|[1-9]\d{0,15})$/

/**
 * Parses a list of `topic/partition@offset`, separated by commas. Fails with a text that says what would be right. `name`:
 * of what the client sent.
 */
export function parseAsOf(text: string, name: 'as_of' | 'offsets' = 'as_of'): Result<AsOf, string> {
  const which = name === 'as_of' ? 'offset of the last event applied' : 'offset'
  const form = `${name} must be a list such as "orders/3@1042,orders/4@17": topic/partition@${which}`
  const offsets = new Map<string, number>()
  const items = text.split(',', MAX_AS_OF_PARTITIONS + 1)
  if (items.length > MAX_AS_OF_PARTITIONS) return fail(`${name} names at most ${MAX_AS_OF_PARTITIONS} partitions`)
  for (const item of items) {
    const [, topic = '', partition = '', offset = ''] = ITEM.exec(item.trim()) ?? []
    if (topic === '' || topic.length > MAX_TOPIC_CHARS || !Number.isSafeInteger(Number(offset))) return fail(form)
    const place = `${topic}/${partition}`
    // With two offsets of one partition, either the older state would miss events or the newer one get some twice.
    if (offsets.has(place)) return fail(`${name} names ${place.slice(0, 60)} twice`)
    offsets.set(place, Number(offset))
  }
  return ok(offsets)
}

/** Returns the value of PRODUCED_HEADER: the highest offset of each partition. */
export function formatProduced(places: readonly LogPosition[]): string {
  const [only] = places
  if (only !== undefined && places.length === 1) return `${partitionName(only)}@${only.offset}`
  const newest = new Map<string, number>()
  for (const place of places) {
    const name = partitionName(place)
    newest.set(name, Math.max(place.offset, newest.get(name) ?? 0))
  }
  return [...newest].map(([partition, offset]) => `${partition}@${offset}`).join(',')
}

/** Returns the topic of `<topic>/<partition>`. */
export function topicOfPartition(partition: string): string {
  return partition.slice(0, partition.lastIndexOf('/'))
}
