// Push: what HTTP sink connectors post to /_rig/v1/events, through the Worker and the embedded log to a client.
import { env, exports } from 'cloudflare:workers'
import { createExecutionContext, evictDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { embeddedLogStub } from '../../../src/rpc/embedded-kafka.ts'
import { connectSse } from '../../support/gateway-client.ts'
import { tokenOf } from '../../support/make-tokens.ts'
import { expectLogs } from '../../support/expect-logs.ts'

expectLogs(
  /could not wake the followers/,
  /follower not woken/,
  /pushed, but no events: dead letters/,
  /pushed again, and stored before/,
  /a push could not be produced/,
)

interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly duplicate?: true
  readonly error?: string
}

const BATCH = 'application/cloudevents-batch+json'

/** A connector of its own for each test. */
let connectors = 0
const newUrl = () => `https://rigel.example/_rig/v1/events?connector=c${(connectors += 1)}`

function event(more: Readonly<Record<string, unknown>> = {}) {
  return { specversion: '1.0', id: '1', source: '/test', type: 'pushed', ...more }
}

/** As Kafka Connect's InsertField leaves it. */
function from(kafkapartition: number, kafkaoffset: number, more: Readonly<Record<string, unknown>> = {}) {
  return event({ kafkatopic: 'orders', kafkapartition, kafkaoffset, ...more })
}

function request(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = { 'content-type': BATCH },
): Request {
  return new Request(url, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
}

async function push(...args: Parameters<typeof request>): Promise<readonly Place[]> {
  const response = await exports.default.fetch(request(...args))
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`)
  const places = await response.json<Place | readonly Place[]>()
  return Array.isArray(places) ? (places as readonly Place[]) : [places as Place]
}

async function refusal(...args: Parameters<typeof request>): Promise<readonly [number, string]> {
  const response = await exports.default.fetch(request(...args))
  return [response.status, await response.text()]
}

const isDuplicate = ({ duplicate }: Place) => duplicate === true
const where = ({ topic, partition, offset }: Place) => `${topic}/${partition}/${offset}`

async function read(place: Place | undefined) {
  const { topic, partition, offset } = place ?? { topic: 'none', partition: 0, offset: 0 }
  const fetched = await embeddedLogStub(env, { topic, partition }).read(offset, { maxWaitMs: 0, maxBytes: 1 })
  const [record] = fetched.kind === 'records' ? fetched.records : []
  const text = (bytes: Uint8Array | null = null) => new TextDecoder().decode(bytes ?? new Uint8Array())
  const headers = Object.fromEntries((record?.headers ?? []).map(({ key, value }) => [key, text(value)]))
  return { value: text(record?.value), headers }
}

describe('a connector’s batch', () => {
  const events = [from(0, 1, { id: 'a' }), from(0, 2, { id: 'b' })]
  const lines = events.map((one) => JSON.stringify(one))

  it.each<[string, string | undefined, string]>([
    ['CloudEvents’ batched mode', BATCH, `[${lines.join(',')}]`],
    ['a JSON array under any JSON type', 'application/json', ` [\n${lines.join(',\n')}\n] `],
    ['an array of JSON strings, as Confluent’s connector makes of strings', 'application/json', JSON.stringify(lines)],
    ['lines of JSON', 'application/x-ndjson', lines.join('\n')],
    ['lines of JSON with blank ones and carriage returns', 'application/jsonl', `\r\n${lines.join('\r\n\r\n')}\r\n`],
    ['lines without a name, as Aiven’s connector sends by default', undefined, `${lines.join('\n')}\n`],
    ['lines under the type of one event', 'application/json', lines.join('\n')],
  ])('may be %s', async (_, type, body) => {
    const bytes = new TextEncoder().encode(body)
    const headers = type === undefined ? undefined : { 'content-type': type }
    const response = await exports.default.fetch(
      new Request(newUrl(), { method: 'POST', body: bytes, ...(headers ? { headers } : {}) }),
    )
    const places = await response.json<readonly Place[]>()
    expect([response.status, places.length]).toEqual([202, 2])
    expect(await Promise.all(places.map(async (place) => (await read(place)).value))).toEqual(lines)
  })

  it('may be what Kafka Connect’s JsonConverter and InsertField make of values', async () => {
    // Written by those of Kafka 4.3.1.
    const value =
      '{"kafkapartition":3,"data":{"f":1.0,"n":1},"kafkatopic":"orders","kafkaoffset":42,"specversion":"1.0","id":"1","source":"/s","type":"t"}'
    const url = newUrl()
    const [place] = await push(url, `[${value}]`)
    expect((await read(place)).value).toBe(value)
    expect((await push(url, `[${value.replace('"id":"1"', '"id":"2"')}]`)).map(isDuplicate)).toEqual([true])
  })

  it('may be one event over several lines', async () => {
    const [place] = await push(newUrl(), JSON.stringify(event(), null, 2), { 'content-type': 'application/json' })
    expect(place?.error).toBeUndefined()
  })

  it('may be one in binary mode, with headers as HTTP or as Kafka names them', async () => {
    const http = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 'pushed' }
    const kafka = { ce_specversion: '1.0', ce_id: '2', ce_source: '/s', ce_type: 'pushed' }
    const url = newUrl()
    for (const [headers, id] of [
      [http, '1'],
      [kafka, '2'],
    ] as const) {
      const [place] = await push(url, '{"n":1}', { 'content-type': 'application/json', ...headers })
      expect(place?.error).toBeUndefined()
      expect(JSON.parse((await read(place)).value)).toMatchObject({ id, type: 'pushed', data: { n: 1 } })
    }
  })

  it.each(['', ' \n\n'])('may be empty: %j', async (body) => {
    expect(await push(newUrl(), body, { 'content-type': 'application/x-ndjson' })).toEqual([])
  })

  it('keeps the order of each partition of the source, on one partition of the log', async () => {
    const places = await push(newUrl(), [from(0, 1), from(1, 1), from(0, 2), from(1, 2), from(0, 7)])
    for (const indexes of [
      [0, 2, 4],
      [1, 3],
    ]) {
      const of = places.filter((__, index) => indexes.includes(index))
      expect(new Set(of.map(({ partition }) => partition)).size).toBe(1)
      expect(of.map(({ offset }) => offset)).toEqual(of.map(({ offset }) => offset).toSorted((a, b) => a - b))
    }
  })
})

describe('a batch that is sent again', () => {
  it('is answered as before, stored once, and reaches a client once, across evictions', async () => {
    const url = newUrl()
    const type = `once-${connectors}`
    const client = await connectSse({ subscriptions: [{ eventType: type }] })
    const batch = [1, 2, 3].map((n) => from(0, n, { type, id: 'the same id, as RIG’s tutorial has it', data: n }))
    const first = await push(url, batch)
    for (const place of first.slice(0, 1)) await evictDurableObject(embeddedLogStub(env, place))
    const second = await push(url, [...batch.slice(1), from(0, 4, { type, data: 4 })])
    expect(second.map(isDuplicate)).toEqual([true, true, false])
    expect(second.slice(0, 2).map(where)).toEqual(first.slice(1).map(where))
    const frames = await client.until(4, type)
    expect(frames.map(({ data }) => data['data'])).toEqual([1, 2, 3, 4])
  })

  it('is recognized by its text where no position is given', async () => {
    const url = newUrl()
    await push(url, [event({ data: 1 }), event({ data: 2 })])
    expect((await push(url, [event({ data: 2 }), event({ data: 3 })])).map(isDuplicate)).toEqual([true, false])
  })

  it('is recognized by source and id with dedupe=id', async () => {
    const url = `${newUrl()}&dedupe=id`
    await push(url, [event({ id: 'a', data: 1 })])
    const again = [event({ id: 'a', data: 2 }), event({ id: 'a', source: '/other' }), event({ id: 'b' })]
    expect((await push(url, again)).map(isDuplicate)).toEqual([true, false, false])
  })

  it('is recognized by request headers, for one event', async () => {
    const url = newUrl()
    const at = (kafkaOffset: string) => ({
      'content-type': 'application/cloudevents+json',
      'kafka-topic': 'orders',
      'kafka-partition': '0',
      'kafka-offset': kafkaOffset,
    })
    const underscores = {
      'content-type': 'application/json',
      kafka_topic: 'orders',
      kafka_partition: '0',
      kafka_offset: '8',
    }
    expect((await push(url, event({ id: 'a' }), at('7'))).map(isDuplicate)).toEqual([false])
    expect((await push(url, event({ id: 'made anew' }), at('7'))).map(isDuplicate)).toEqual([true])
    expect((await push(url, event({ id: 'a' }), underscores)).map(isDuplicate)).toEqual([false])
    expect((await push(url, event({ id: 'b' }), at('8'))).map(isDuplicate)).toEqual([true])
  })

  it('needs no connector name if there are such headers', async () => {
    const url = 'https://rigel.example/_rig/v1/events'
    const headers = {
      'content-type': 'application/json',
      'kafka-topic': 'h',
      'kafka-partition': '0',
      'kafka-offset': '0',
    }
    expect((await push(url, event(), headers)).map(isDuplicate)).toEqual([false])
    expect((await push(url, event(), headers)).map(isDuplicate)).toEqual([true])
  })

  it('is another batch from another connector', async () => {
    await push(newUrl(), [from(0, 1)])
    expect((await push(newUrl(), [from(0, 1)])).map(isDuplicate)).toEqual([false])
  })
})

describe('a client that is no connector', () => {
  const url = 'https://rigel.example/_rig/v1/events'

  it.each<[string, unknown, Record<string, string>]>([
    ['one event with the id it always has', event(), { 'content-type': 'application/json' }],
    ['a batch', [event()], { 'content-type': BATCH }],
    ['an event that tells where it once stood', from(0, 1), { 'content-type': 'application/json' }],
    [
      'the same in binary mode',
      '{}',
      {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/s',
        'ce-type': 't',
        'ce-kafkatopic': 't',
        'ce-kafkapartition': '0',
        'ce-kafkaoffset': '1',
      },
    ],
  ])('publishes %s as often as it likes', async (_, body, headers) => {
    await push(url, body, headers)
    const [place] = await push(url, body, headers)
    expect(place?.duplicate).toBeUndefined()
  })

  it('is refused as before when one of a batch is no event, and nothing is stored', async () => {
    expect((await refusal(url, [event(), 1]))[0]).toBe(400)
  })
})

it('a compressed push is decoded', async () => {
  const stream = new Blob([JSON.stringify([event({ id: 'a' }), event({ id: 'b' })])]).stream()
  const body = new Uint8Array(await new Response(stream.pipeThrough(new CompressionStream('gzip'))).arrayBuffer())
  const headers = { 'content-type': BATCH, 'content-encoding': 'gzip' }
  const response = await exports.default.fetch(new Request(newUrl(), { method: 'POST', headers, body }))
  expect([response.status, await response.json()]).toEqual([
    202,
    [expect.objectContaining({ topic: 'rig' }), expect.objectContaining({ topic: 'rig' })],
  ])
})

describe('an element of a push that is no event', () => {
  it('may be a type that only Rigel may send', async () => {
    const [dead] = await push(newUrl(), [event({ type: 'rig.session_killed' })])
    expect(dead).toMatchObject({
      topic: 'rig-dead-letter',
      error: expect.stringContaining('only Rigel sends such events'),
    })
  })

  it('is a dead letter, once, and the elements around it are stored', async () => {
    const url = newUrl()
    const body = [JSON.stringify(from(5, 1)), '{"specversion":"1.0"', JSON.stringify(from(5, 2))].join('\n')
    const ndjson = { 'content-type': 'application/x-ndjson' }
    const first = await push(url, body, ndjson)
    expect(first.map(({ topic, error }) => [topic, error])).toEqual([
      ['rig', undefined],
      ['rig-dead-letter', expect.stringContaining('not a CloudEvent: not JSON')],
      ['rig', undefined],
    ])
    const letter = await read(first[1])
    expect(letter.value).toBe('{"specversion":"1.0"')
    expect(letter.headers).toMatchObject({
      'rigel-reason-code': 'not_a_cloud_event',
      'rigel-connector': `c${connectors}`,
    })
    const second = await push(url, body, ndjson)
    expect(second.map(isDuplicate)).toEqual([true, true, true])
    expect(second.map(where)).toEqual(first.map(where))
  })

  it.each<[string, unknown, string]>([
    ['a tombstone', null, 'tombstone'],
    ['a number', 1, 'must be a JSON object'],
    ['text', 'hello', 'not JSON'],
    ['a list in the list', [event()], 'must be a JSON object'],
    ['lists in lists', JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`) as unknown, 'must be a JSON object'],
    ['an event without id', event({ id: undefined }), '"id" is missing'],
    ['a line break in a type', event({ type: 'a\r\ndata: injected' }), 'control characters'],
    ['half a position', event({ kafkaoffset: 1 }), 'kafkatopic'],
    ['a negative offset', from(0, -1), 'kafkaoffset'],
    ['an offset that is no number', from(0, 1, { kafkaoffset: { $gt: 0 } }), 'kafkaoffset'],
    ['an event that is too large', event({ data: 'x'.repeat(140_000) }), 'larger than 131072 bytes'],
  ])('may be %s', async (_, item, reason) => {
    const [bad, good] = await push(newUrl(), [item, event()])
    expect(bad).toMatchObject({ topic: 'rig-dead-letter', error: expect.stringContaining(reason) })
    expect(good).toMatchObject({ topic: 'rig' })
  })

  it.each<[string, string | Uint8Array, Record<string, string>]>([
    ['one that is not JSON', 'hello', { 'content-type': 'text/plain' }],
    ['one that is not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), { 'content-type': 'application/json' }],
    [
      'binary mode with a line break in it',
      '{}',
      {
        'content-type': 'application/json',
        'ce-specversion': '1.0',
        'ce-id': '1',
        'ce-source': '/s',
        'ce-type': 'a%0D%0Ab',
      },
    ],
  ])('may be all there is: %s', async (_, body, headers) => {
    const sent = () => exports.default.fetch(new Request(newUrl(), { method: 'POST', headers, body }))
    const response = await sent()
    expect([response.status, await response.json()]).toEqual([
      202,
      {
        topic: 'rig-dead-letter',
        partition: expect.any(Number),
        offset: expect.any(Number),
        error: expect.any(String),
      },
    ])
  })

  it('affects only its own line, even the first, and without a content type', async () => {
    const bytes = new TextEncoder().encode(`hello\n${JSON.stringify(event())}\n`)
    const response = await exports.default.fetch(new Request(newUrl(), { method: 'POST', body: bytes }))
    const places = await response.json<readonly Place[]>()
    expect(places.map(({ topic }) => topic)).toEqual(['rig-dead-letter', 'rig'])
  })

  it('refuses the whole push if its elements cannot be separated', async () => {
    expect(await refusal(newUrl(), '[{"specversion":"1.0"},')).toEqual([
      400,
      expect.stringContaining('a batch: not JSON'),
    ])
  })
})

describe('the limits of a push', () => {
  it.each([
    ['an array', BATCH, JSON.stringify(Array.from({ length: 1_001 }, (_, n) => event({ id: String(n) })))],
    ['a million elements', BATCH, `[${'1,'.repeat(1_000_000)}1]`],
    ['lines', 'application/x-ndjson', `${JSON.stringify(event())}\n`.repeat(1_001)],
    ['a million lines', 'application/x-ndjson', '1\n'.repeat(1_000_000)],
  ])('are 1000 events: %s', async (_, type, body) => {
    expect(await refusal(newUrl(), body, { 'content-type': type })).toEqual([
      413,
      'Batch too large: at most 1000 events are allowed.',
    ])
  })

  it('are 2 MiB, whatever its content', async () => {
    const [status, message] = await refusal(newUrl(), `[${' '.repeat(2_097_152)}]`)
    expect([status, message]).toEqual([413, 'Body too large: at most 2097152 bytes are allowed.'])
  })

  it('leave room for what Aiven’s connector sends by default', async () => {
    const batch = Array.from({ length: 500 }, (_, n) => from(0, n, { data: 'x'.repeat(4_000) }))
    const url = newUrl()
    expect((await push(url, batch)).some(isDuplicate)).toBe(false)
    expect((await push(url, batch)).every(isDuplicate)).toBe(true)
  })

  it.each(['', 'a b', 'a/b', '%0d%0a', 'x'.repeat(101)])('are those of a connector’s name: %j', async (name) => {
    const url = `https://rigel.example/_rig/v1/events?connector=${name}`
    expect(await refusal(url, [event()])).toEqual([400, expect.stringContaining('?connector=orders')])
  })

  it.each(['', 'ID', 'offset'])('are those of dedupe: %j', async (dedupe) => {
    expect(await refusal(`${newUrl()}&dedupe=${dedupe}`, [event()])).toEqual([400, expect.stringContaining('"id"')])
  })

  it.each(['multipart/form-data; boundary=x', 'application/cloudevents+avro', 'application/x-www-form-urlencoded'])(
    'are those of what can be read: not %s',
    async (type) => {
      expect(await refusal(newUrl(), 'x', { 'content-type': type })).toEqual([415, expect.stringContaining('ndjson')])
    },
  )
})

describe('permission to push', () => {
  const checked = { ...env, SUBMISSION_CHECK: 'JWT_VALIDATION' }

  async function pushAs(user: string, url: string): Promise<readonly Place[]> {
    const headers = { 'content-type': BATCH, authorization: `Bearer ${await tokenOf(user)}` }
    const response = await handle(
      request(url, [from(0, 1), event({ id: 'a' })], headers),
      checked,
      createExecutionContext(),
    )
    return response.json()
  }

  it('is that of publishing', async () => {
    const response = await handle(request(newUrl(), [event()]), checked, createExecutionContext())
    expect([response.status, await response.text()]).toEqual([403, 'Submission denied.'])
  })

  it('is by publisher: an event that one pushed is new when another pushes it', async () => {
    const url = newUrl()
    await pushAs('mallory', url)
    expect((await pushAs('connector', url)).map(isDuplicate)).toEqual([false, false])
    expect((await pushAs('connector', url)).map(isDuplicate)).toEqual([true, true])
  })

  it('includes the internal API, with its token', async () => {
    const url = 'https://rigel.example/_rig/api/v3/messages?connector=internal'
    expect((await refusal(url, [event()]))[0]).toBe(401)
    const headers = { 'content-type': BATCH, authorization: 'Bearer an-internal-token-of-the-tests' }
    expect((await push(url, [event({ id: 'a' })], headers)).map(isDuplicate)).toEqual([false])
    expect((await push(url, [event({ id: 'a' })], headers)).map(isDuplicate)).toEqual([true])
  })
})

it('is 503 when the log takes no events, and says that the same can be sent again', async () => {
  const broken = { idFromName: () => '', getByName: () => ({}) }
  const bindings = { ...env, EMBEDDED_LOG: broken, EMBEDDED_BROKER: broken } as unknown as Env
  const response = await handle(request(newUrl(), [event()]), bindings, createExecutionContext())
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2'])
  expect(await response.text()).toContain('send the same again')
})
