// Consumer instances of the stand-in bridge. The dialects differ in the options of an instance, in when a poll returns, in the
// fields of a record, and in what happens to a record that is too large. Redpanda's instances only serve groups.
import type { Backend, StoredRecord } from './bridge-backend.ts'
import { BINARY_V2, Refused, parseBody, requireAccept, requireContentType, V2 } from './bridge-http.ts'
import type { BridgeAnswer, BridgeRequest } from './bridge-http.ts'
import type { BridgeDialect } from './bridge-options.ts'

interface Instance {
  readonly minBytes: number
  readonly requestTimeoutMs: number
  /** `topic/partition` → the offset it reads next. */
  readonly positions: Map<string, number>
  askedMs: number
  isPolled: boolean
  /** Confluent's: read and not answered with, given first by the next poll, even if it has been sought elsewhere since. */
  cached: readonly StoredRecord[]
}

export interface InstanceOptions {
  readonly dialect: BridgeDialect
  readonly backend: Backend
  /** Before `/consumers/…` in `base_uri`. */
  readonly baseUri: () => string
}

/** An instance nobody asks for is ended after this long. */
const IDLE_MS = 300_000

const COMMON_FIELDS = ['name', 'format', 'auto.offset.reset', 'fetch.min.bytes', 'consumer.request.timeout.ms']

const FIELDS: Readonly<Record<BridgeDialect, readonly string[]>> = {
  redpanda: [...COMMON_FIELDS, 'auto.commit.enable'],
  confluent: [...COMMON_FIELDS, 'auto.commit.enable', 'id'],
  karapace: [...COMMON_FIELDS, 'auto.commit.enable'],
  strimzi: [...COMMON_FIELDS, 'enable.auto.commit', 'isolation.level'],
}

const KARAPACE_TIMEOUT_MS = 11_000
/** Of Java's consumer, by which Strimzi's answers are bounded. */
const MAX_POLL_RECORDS = 500
const MAX_PARTITION_FETCH_BYTES = 1_048_576
const MAX_FETCH_BYTES = 67_108_864

export class Instances {
  readonly all = new Map<string, Instance>()
  readonly #options: InstanceOptions

  constructor(options: InstanceOptions) {
    this.#options = options
  }

  /** Undefined: no route of instances. */
  async handle(request: BridgeRequest): Promise<BridgeAnswer | undefined> {
    const creation = /^\/consumers\/([^/]+)$/.exec(request.path)
    if (creation && request.method === 'POST') return this.#create(request, creation[1] ?? '')
    const match = /^\/consumers\/([^/]+)\/instances\/([^/]+)(?:\/(.+))?$/.exec(request.path)
    if (!match) return undefined
    const key = `${match[1]}/${match[2]}`
    return this.#verb(request, key, `${request.method} ${match[3] ?? ''}`.trim())
  }

  async #verb(request: BridgeRequest, key: string, verb: string): Promise<BridgeAnswer | undefined> {
    const { dialect } = this.#options
    const hasSeek = dialect !== 'redpanda'
    if (verb === 'DELETE') {
      if (dialect === 'redpanda') requireContentType(request, V2)
      this.#get(key)
      this.all.delete(key)
      return { status: 204 }
    }
    if (verb === 'GET records') return this.#records(request, this.#get(key))
    if (verb === 'POST subscription') return this.#subscribe(request, this.#get(key))
    if (verb === 'POST assignments' && hasSeek) return this.#assign(request, this.#get(key))
    if (verb === 'POST positions' && hasSeek) return this.#seek(request, this.#get(key))
    return undefined
  }

  #create(request: BridgeRequest, group: string): BridgeAnswer {
    const { dialect } = this.#options
    requireContentType(request, V2)
    const body = parseBody(request)
    this.#requireConfig(body)
    const name = String(body['name'])
    const key = `${group}/${name}`
    if (this.all.has(key)) throw new Refused(409, 40_902, 'Consumer with specified consumer ID already exists')
    this.all.set(key, {
      minBytes: Number(body['fetch.min.bytes'] ?? -1),
      requestTimeoutMs: Number(
        body['consumer.request.timeout.ms'] ?? (dialect === 'karapace' ? KARAPACE_TIMEOUT_MS : 1_000),
      ),
      positions: new Map(),
      askedMs: Date.now(),
      isPolled: false,
      cached: [],
    })
    const base = `${this.#options.baseUri()}/consumers/${group}/instances/${name}`
    return { status: 200, body: { instance_id: name, base_uri: base } }
  }

  #requireConfig(body: Record<string, unknown>): void {
    const { dialect } = this.#options
    const strange = Object.keys(body).find((field) => !FIELDS[dialect].includes(field))
    if (strange !== undefined) {
      if (dialect === 'confluent') throw new Refused(422, 422, `Unrecognized field: ${strange}`)
      throw new Refused(400, 40_002, `Validation error: ${strange} is not known`)
    }
    if (dialect === 'redpanda') {
      if (Object.values(body).some((value) => typeof value !== 'string'))
        throw new Refused(400, 40_002, 'expected a string')
      if (body['auto.offset.reset'] !== 'earliest') throw new Refused(400, 40_002, 'auto.offset must be earliest')
      if (body['auto.commit.enable'] !== 'false') throw new Refused(400, 40_002, 'auto.commit must be false')
    }
    const minBytes = body['fetch.min.bytes']
    const mustBeNumber = dialect === 'karapace' || dialect === 'strimzi'
    if (mustBeNumber && minBytes !== undefined && !Number.isInteger(minBytes)) {
      throw new Refused(422, 42_204, 'Expected fetch.min.bytes to be >= -1')
    }
    if (dialect === 'strimzi' && typeof body['enable.auto.commit'] !== 'boolean') {
      throw new Refused(400, 400, 'Validation error on: /enable.auto.commit')
    }
  }

  #get(key: string): Instance {
    const instance = this.all.get(key)
    const isIdle = instance !== undefined && Date.now() - instance.askedMs > IDLE_MS
    if (isIdle) this.all.delete(key)
    if (instance === undefined || isIdle) throw new Refused(404, 40_403, 'Consumer instance not found.')
    instance.askedMs = Date.now()
    return instance
  }

  #assign(request: BridgeRequest, instance: Instance): BridgeAnswer {
    requireContentType(request, V2)
    const { partitions } = parseBody(request) as { partitions: { topic: string; partition: number }[] }
    instance.positions.clear()
    // `auto.offset.reset` is earliest in all that is tested.
    for (const { topic, partition } of partitions) instance.positions.set(`${topic}/${partition}`, 0)
    return { status: 204 }
  }

  async #subscribe(request: BridgeRequest, instance: Instance): Promise<BridgeAnswer> {
    requireContentType(request, V2)
    const { topics } = parseBody(request) as { topics: string[] }
    for (const topic of topics) {
      for (let partition = 0; partition < ((await this.#options.backend.partitions(topic)) ?? 0); partition += 1) {
        instance.positions.set(`${topic}/${partition}`, 0)
      }
    }
    return { status: 204 }
  }

  #seek(request: BridgeRequest, instance: Instance): BridgeAnswer {
    requireContentType(request, V2)
    const { offsets } = parseBody(request) as { offsets: { topic: string; partition: number; offset: number }[] }
    for (const { topic, partition, offset } of offsets) {
      const key = `${topic}/${partition}`
      if (!instance.positions.has(key)) throw new Refused(409, 40_903, `No current assignment for partition ${key}`)
      instance.positions.set(key, offset)
    }
    return { status: 204 }
  }

  async #records(request: BridgeRequest, instance: Instance): Promise<BridgeAnswer> {
    const { dialect } = this.#options
    requireAccept(request, dialect === 'redpanda' ? 406 : 40_601, BINARY_V2)
    if (instance.positions.size === 0) throw new Refused(409, 40_903, 'Consumer is not subscribed to any topics')
    // A consumer is no two threads': what shares one is found out.
    if (instance.isPolled) throw new Refused(500, 50_002, 'KafkaConsumer is not safe for multi-threaded access')
    instance.isPolled = true
    try {
      const records = await this.#poll(request, instance)
      return { status: 200, body: records, contentType: BINARY_V2 }
    } finally {
      instance.isPolled = false
      instance.askedMs = Date.now()
    }
  }

  async #poll(request: BridgeRequest, instance: Instance): Promise<readonly object[]> {
    const { dialect } = this.#options
    const asked = Number(request.query.get('timeout') ?? instance.requestTimeoutMs)
    const waitMs =
      dialect === 'confluent' && asked <= 0 ? instance.requestTimeoutMs : Math.min(asked, instance.requestTimeoutMs)
    const maxBytes = Number(request.query.get('max_bytes') ?? 67_108_864)
    const untilMs = Date.now() + waitMs
    const found: object[] = []
    let bytes = 0
    for (const [key, position] of instance.positions) {
      const read =
        instance.cached.length > 0
          ? { records: instance.cached, next: position }
          : await this.#read(key, position, Math.max(0, untilMs - Date.now()))
      let taken = 0
      for (const record of read.records) {
        const size = sizeOf(record)
        if (this.#isFull(bytes, size, found.length, maxBytes)) break
        taken += 1
        bytes += size
        found.push(this.#toWire(key, record))
      }
      const left = read.records.slice(taken)
      if (dialect === 'confluent') instance.cached = left
      instance.positions.set(key, dialect === 'confluent' ? read.next : (left[0]?.offset ?? read.next))
    }
    if (dialect === 'strimzi' && bytes > maxBytes)
      throw new Refused(422, 422, 'Response exceeds the maximum number of bytes')
    // It reads on until the time is up or the bytes are full.
    const waits = dialect === 'karapace' ? bytes < maxBytes : dialect === 'confluent' && instance.minBytes < 0
    if (waits && untilMs > Date.now()) await new Promise((resolve) => setTimeout(resolve, untilMs - Date.now()))
    return found
  }

  /** Whether a record of this size is left for the next poll. Confluent's leaves one that is too large for ever. */
  #isFull(bytes: number, size: number, count: number, maxBytes: number): boolean {
    const { dialect } = this.#options
    if (dialect === 'strimzi') return count >= MAX_POLL_RECORDS
    return dialect === 'confluent' ? bytes + size >= maxBytes : bytes >= maxBytes
  }

  /** A position out of range is reset without a word. */
  async #read(key: string, position: number, waitMs: number) {
    const { backend, dialect } = this.#options
    const [topic = '', partition = '0'] = key.split(/\/(?=\d+$)/)
    // Karapace polls record by record, Java's consumer fetches what it is configured to, whatever is asked for.
    const fetchBytes = dialect === 'karapace' ? MAX_FETCH_BYTES : MAX_PARTITION_FETCH_BYTES
    const read = await backend.read(topic, Number(partition), position, { waitMs, maxBytes: fetchBytes })
    if (read.kind === 'unknown') return { records: [], next: position }
    if (read.kind === 'records') {
      return { records: read.records.filter((record) => record.offset >= position), next: read.next }
    }
    const earliest = (await backend.offsets(topic, Number(partition)))?.earliest ?? 0
    const again = await backend.read(topic, Number(partition), earliest, { waitMs: 0, maxBytes: fetchBytes })
    if (again.kind !== 'records') return { records: [], next: earliest }
    return { records: again.records.filter((record) => record.offset >= earliest), next: again.next }
  }

  #toWire(key: string, record: StoredRecord): object {
    const { dialect } = this.#options
    const [topic = '', partition = '0'] = key.split(/\/(?=\d+$)/)
    const common = { topic, key: record.key, value: record.value, partition: Number(partition), offset: record.offset }
    if (dialect === 'strimzi') return { ...common, headers: record.headers, timestamp: record.timestampMs }
    if (dialect !== 'karapace') return common
    // Nothing and no bytes are the same to it.
    return { ...common, key: record.key || null, value: record.value || null, timestamp: record.timestampMs }
  }
}

function sizeOf({ key, value }: StoredRecord): number {
  return Math.floor((((key?.length ?? 0) + (value?.length ?? 0)) * 3) / 4)
}
