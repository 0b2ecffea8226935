// Live tables: how long a client waits for a snapshot, what a change costs the server in CPU, and what a table takes in memory;
// each beside the same events without `state` in the same run. One shard and one partition.
import { get } from 'node:http'
import { cpuMicrosecondsOf } from './cpu.ts'
import { inTurns, millisecondsOf, quantileOf, quick, type Figure } from './figure.ts'
import { call, postEvents, startRig, type Rig } from './rig.ts'

const ROWS = 10_000
const SNAPSHOTS = quick ? 20 : 100
const CHANGES = quick ? 800 : 3_200
const MEMORY_ROWS = quick ? 10_000 : 50_000
const BATCH = 50
const GOAL = 1.3

const VARIABLES = {
  SHARDS: '1',
  KAFKA_PARTITIONS: '1',
  TABLES: '{"row":{"topic":"rig"}}',
  LOG_RETENTION_BYTES: '100000000',
}

/** The type that is a table, and the same events without. */
type Type = 'row' | 'plain'

export async function tables(): Promise<readonly Figure[]> {
  const rig = await startRig(VARIABLES)
  try {
    return [...(await snapshots(rig)), ...(await changes(rig)), await memory()]
  } finally {
    rig.stop()
  }
}

/** A client that gets a table of 10,000 rows, beside one that gets as many events from the log. */
async function snapshots(rig: Rig): Promise<readonly Figure[]> {
  await post(rig, 'row', 1, 1)
  const [row, plain] = [await Reader.open(rig, 'row'), await Reader.open(rig, 'plain')]
  for (const type of ['row', 'plain'] as const) await post(rig, type, ROWS, BATCH)
  await Promise.all([row.until(ROWS), plain.until(ROWS)])
  const timeOf = (type: Type, query = '') =>
    millisecondsOf(async () => (await Reader.open(rig, type, query)).closeAt(ROWS))
  const taken = await inTurns(
    { row: () => timeOf('row'), plain: () => timeOf('plain', '&last_event_id=earliest') },
    SNAPSHOTS,
  )
  for (const one of [row, plain]) one.close()
  return [0.5, 0.99].map((quantile) => {
    const [rigel, bare] = [quantileOf(taken.row, quantile), quantileOf(taken.plain, quantile)]
    const figure = `a snapshot of ${ROWS.toLocaleString('en')} rows, p${quantile * 100}, beside a replay of as many events`
    return { figure, rigel, bare, unit: 'ms' }
  })
}

/** One client gets the changes; keys are changed in turn. */
async function changes(rig: Rig): Promise<readonly Figure[]> {
  const readers = [await Reader.open(rig, 'row'), await Reader.open(rig, 'plain')]
  const cpuOf = (count: number, work: () => Promise<unknown>) => () => cpuMicrosecondsOf(rig, work, count)
  const posted = (type: Type, count: number, batch: number) => cpuOf(count, () => post(rig, type, count, batch))
  const appended = (type: Type, batch: number) => cpuOf(CHANGES, () => append(rig, type, batch))
  const taken = await inTurns({
    row: posted('row', CHANGES / 4, 1),
    plain: posted('plain', CHANGES / 4, 1),
    rows: posted('row', CHANGES, BATCH),
    plains: posted('plain', CHANGES, BATCH),
    appendedRow: appended('row', 1),
    appendedPlain: appended('plain', 1),
    appendedRows: appended('row', BATCH),
    appendedPlains: appended('plain', BATCH),
  })
  for (const one of readers) one.close()
  const figureOf = (figure: string, changed: keyof typeof taken, beside: keyof typeof taken): Figure => {
    const [rigel, bare] = [quantileOf(taken[changed], 0.5), quantileOf(taken[beside], 0.5)]
    return { figure, rigel, bare, unit: 'µs CPU', goal: GOAL }
  }
  return [
    figureOf('a change by itself, published, beside the event without state', 'row', 'plain'),
    figureOf(`a change of ${BATCH} a request, beside the event without state`, 'rows', 'plains'),
    figureOf('a change by itself, from the call of the shard on', 'appendedRow', 'appendedPlain'),
    figureOf(`a change of ${BATCH} a call, from the call of the shard on`, 'appendedRows', 'appendedPlains'),
  ]
}

/** Resident memory, which the garbage collector lags behind: an upper bound. */
async function memory(): Promise<Figure> {
  const [rigel, bare] = [await grownMiB('row'), await grownMiB('plain')]
  const figure = `memory, ${MEMORY_ROWS.toLocaleString('en')} rows beside as many events without state`
  return { figure, rigel, bare, unit: 'MiB' }
}

async function grownMiB(type: Type): Promise<number> {
  const rig = await startRig(VARIABLES)
  try {
    await post(rig, type, 500, BATCH, MEMORY_ROWS)
    const reader = await Reader.open(rig, type)
    const before = rig.memoryBytes()
    await post(rig, type, MEMORY_ROWS, BATCH, MEMORY_ROWS)
    await reader.until(MEMORY_ROWS)
    reader.close()
    return (rig.memoryBytes() - before) / 1_048_576
  } finally {
    rig.stop()
  }
}

/** A stream that counts the events of its type. */
class Reader {
  readonly #marker: Buffer
  #cancel: () => void = () => undefined
  /** The end of the last chunk, in which a marker may have begun. */
  #rest = Buffer.alloc(0)
  #count = 0
  #isComplete = false
  #onChunk: () => void = () => undefined

  private constructor(type: Type) {
    this.#marker = Buffer.from(`event: ${type}\n`)
  }

  /** Resolves when it has the table, or, without state, when it is connected. */
  static async open(rig: Rig, type: Type, query = ''): Promise<Reader> {
    const reader = new Reader(type)
    const subscriptions = JSON.stringify([{ eventType: type, ...(type === 'row' ? { state: true } : {}) }])
    const path = `/_rig/v1/connection/sse?subscriptions=${encodeURIComponent(subscriptions)}${query}`
    await reader.#connect(`${rig.origin}${path}`, type === 'row' ? 'rig.table.complete' : 'rig.connection.create')
    return reader
  }

  /** Resolves when so many events have come in all. */
  async until(count: number): Promise<void> {
    while (this.#count < count) await new Promise<void>((resolve) => (this.#onChunk = resolve))
  }

  async closeAt(count: number): Promise<void> {
    await this.until(count)
    this.close()
  }

  close(): void {
    this.#cancel()
  }

  async #connect(url: string, ready: string): Promise<void> {
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    const request = get(url, { agent: false }, (response) => {
      response.on('data', (chunk: Buffer) => {
        this.#read(chunk, ready)
        if (this.#isComplete) resolve()
        this.#onChunk()
      })
      response.on('error', () => undefined)
    })
    request.on('error', reject)
    this.#cancel = () => request.destroy()
    await promise
  }

  #read(chunk: Buffer, ready: string): void {
    const text = Buffer.concat([this.#rest, chunk])
    this.#isComplete ||= text.includes(ready)
    let end = 0
    for (let at = text.indexOf(this.#marker); at >= 0; at = text.indexOf(this.#marker, end)) {
      this.#count += 1
      end = at + this.#marker.length
    }
    // `ready` is longer than the marker.
    this.#rest = text.subarray(Math.max(end, text.length - ready.length))
  }
}

let published = 0

/** Events of so many keys, in turn. */
async function post(rig: Rig, type: Type, count: number, batch: number, keys = ROWS): Promise<void> {
  for (let sent = 0; sent < count; sent += batch) {
    const events = Array.from({ length: Math.min(batch, count - sent) }, () => newEvent(type, keys))
    await postEvents(rig, events)
  }
}

function newEvent(type: Type, keys: number): object {
  published += 1
  const data = { n: published, text: 'x'.repeat(80) }
  return { specversion: '1.0', id: `${published}`, source: '/bench', type, subject: `key-${published % keys}`, data }
}

let appended = 0

/** From the call of the shard on, as a follower calls it. */
async function append(rig: Rig, type: Type, batch: number): Promise<void> {
  await call(
    rig,
    `changes?type=${type}&batch=${batch}&count=${CHANGES}&from=${appended}${type === 'row' ? '&table' : ''}`,
  )
  appended += CHANGES
}
