// Idempotency keys over REST proxies and Upstash: what is published again with a key that is known is not produced again. Each
// call of an object finds a new instance of it, as after an eviction: only what is stored is known.
import { createExecutionContext, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it, vi } from 'vitest'
import type { NewRecord } from '../../../src/core/events/kafka-record.ts'
import { handle } from '../../../src/http/app.ts'
import { KafkaProducer } from '../../../src/objects/kafka-producer/kafka-producer.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { fetchRigel } from '../../support/gateway-client.ts'
import { TestBridge } from '../test-bridge.ts'

expectLogs(/events could not be produced.*Topic rig not found/)

const DIALECTS = ['redpanda', 'confluent', 'karapace', 'strimzi'] as const

/** An environment whose log is elsewhere, and whose KafkaProducer objects work in it. */
function environmentOf(variables: Readonly<Record<string, string>>): Env {
  const objects = {
    getByName: (name: string) => ({
      produce: (records: readonly NewRecord[]) =>
        runInDurableObject(env.KAFKA_PRODUCER.getByName(name), (_instance, ctx) =>
          new KafkaProducer(ctx, environment).produce(records),
        ),
    }),
  }
  const environment = { ...env, ...variables, KAFKA_PRODUCER: objects } as unknown as Env
  return environment
}

const publish = (environment: Env) => async (id: string, key: string | null) => {
  const response = await handle(
    new Request('https://rigel.example/_rig/v1/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json', ...(key === null ? {} : { 'idempotency-key': key }) },
      body: JSON.stringify({ specversion: '1.0', id, source: '/test', type: 'greeting' }),
    }),
    environment,
    createExecutionContext(),
  )
  const { status } = response
  type Answer = {
    readonly partition?: number
    readonly offset?: number
    readonly duplicate?: true
    readonly status?: number
  }
  return status === 202 ? response.json<Answer>() : ({ status } as Answer)
}

/** Which of six answers name which place. */
async function placesOf(send: ReturnType<typeof publish>): Promise<readonly string[]> {
  const key = crypto.randomUUID()
  const known: string[] = []
  const places: string[] = []
  // Without a key, and with another one, the same event is stored again.
  for (const used of [key, key, null, null, crypto.randomUUID(), key]) {
    const { duplicate, ...place } = await send('1', used)
    const name = JSON.stringify(place)
    if (!known.includes(name)) known.push(name)
    places.push(`${known.indexOf(name)}${duplicate === true ? ' again' : ''}`)
  }
  return places
}

const ONCE = ['0', '0 again', '1', '2', '3', '0 again']

describe.each(DIALECTS)('over a REST proxy of %s', (dialect) => {
  it('an event is stored once by its Idempotency-Key', async () => {
    const bridge = await TestBridge.start({ dialect })
    await bridge.makeTopic('rig')
    const send = publish(environmentOf({ KAFKA_REST_URL: bridge.url, KAFKA_REST_DIALECT: dialect }))
    expect(await placesOf(send)).toEqual(ONCE)
  })

  it('an event that was not stored is not known', async () => {
    const bridge = await TestBridge.start({ dialect })
    const send = publish(environmentOf({ KAFKA_REST_URL: bridge.url, KAFKA_REST_DIALECT: dialect }))
    const key = crypto.randomUUID()
    expect(await send('1', key)).toEqual({ status: 503 })
    await bridge.makeTopic('rig')
    expect(await send('1', key)).not.toHaveProperty('duplicate')
  })
})

it('over Upstash, an event is stored once by its Idempotency-Key', async () => {
  // Upstash's client takes no other fetch than the global one. The API is that of the embedded log.
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => fetchRigel(url.replace('https://rigel.test', ''), init))
  try {
    const upstash = {
      UPSTASH_KAFKA_REST_URL: 'https://rigel.test/_rig/kafka',
      UPSTASH_KAFKA_REST_USERNAME: 'rigel',
      UPSTASH_KAFKA_REST_PASSWORD: 'test',
    }
    expect(await placesOf(publish(environmentOf(upstash)))).toEqual(ONCE)
  } finally {
    vi.unstubAllGlobals()
  }
})
