import { describe, expect, it } from 'vitest'
import type { CorrelatedResponse } from '../../src/core/events/correlated-response.ts'
import type { LogRecord, NewRecord } from '../../src/core/events/kafka-record.ts'
import type { Checkpoint } from '../../src/following/checkpoint-store.ts'
import { consume } from '../../src/following/consume-loop.ts'
import { ResponsePlanner } from '../../src/following/plan-responses.ts'

const CORRELATION = `7.${'a'.repeat(32)}`
const bytes = (text: string) => new TextEncoder().encode(text)

async function sorted(headers: readonly (readonly [string, Uint8Array])[], value: Uint8Array | null) {
  const delivered: CorrelatedResponse[] = []
  const letters: NewRecord[] = []
  const deps = {
    deadLetterTopic: 'dead',
    deliver: async (answer: CorrelatedResponse) => void delivered.push(answer),
    log: {
      produce: async (records: readonly NewRecord[]) => {
        letters.push(...records)
        return []
      },
    },
  }
  const record = {
    topic: 'answers',
    partition: 0,
    offset: 3,
    timestampMs: 0,
    key: null,
    headers: headers.map(([key, of]) => ({ key, value: of })),
    value,
  }
  const { deadLetters, stages } = new ResponsePlanner(deps).plan({ records: [record], next: 4 })
  await Promise.all(stages.flat().map((one) => one()))
  return { delivered, letters: letters.length, deadLetters: deadLetters.count }
}

describe('a record of a response topic', () => {
  it('is an answer by its headers; one of them that is no text is left out', async () => {
    const { deadLetters, delivered } = await sorted(
      [
        ['rig-correlation', bytes(CORRELATION)],
        ['rig-response-code', bytes('201')],
        ['content-type', bytes('text/plain')],
        ['b3', new Uint8Array([255, 0, 254])],
      ],
      new Uint8Array([255, 254]),
    )
    const answer = { status: 201, headers: [['content-type', 'text/plain']], body: new Uint8Array([255, 254]) }
    expect([deadLetters, delivered]).toEqual([0, [{ correlation: CORRELATION, answer }]])
  })

  it('is delivered without what else was fetched with it', async () => {
    const fetched = new Uint8Array(1_000).fill(7)
    const headers = [
      ['rig-correlation', bytes(CORRELATION)],
      ['rig-response-code', bytes('200')],
    ] as const
    const { delivered } = await sorted(headers, fetched.subarray(10, 13))
    const body = delivered[0]?.answer.body
    expect([body, body?.buffer.byteLength]).toEqual([new Uint8Array([7, 7, 7]), 3])
  })

  it.each([null, bytes('{}'), bytes('garbage'), new Uint8Array([255])])(
    'that nobody can wait for is a dead letter: %j',
    async (value) => expect(await sorted([], value)).toEqual({ delivered: [], letters: 1, deadLetters: 1 }),
  )
})

describe('a backlog of answers', () => {
  const COUNT = 7_000
  /** What the free plan lets an invocation call. */
  const MAX_CALLS = 1_000
  const answer = (offset: number): LogRecord => ({
    topic: 'answers',
    partition: 0,
    offset,
    timestampMs: 0,
    key: null,
    headers: [
      { key: 'rig-correlation', value: bytes(CORRELATION) },
      { key: 'rig-response-code', value: bytes('200') },
    ],
    value: bytes(String(offset)),
  })

  it('is delivered in runs of as many calls as a run may make', async () => {
    const delivered: number[] = []
    let calls = 0
    const deliver = async ({ answer: { body } }: CorrelatedResponse) => {
      calls += 1
      delivered.push(Number(new TextDecoder().decode(body)))
    }
    let at: Checkpoint = { offset: 0, generation: 0, topicId: null }
    const consumer = {
      topic: 'answers',
      partition: 0,
      fetchLimits: { maxWaitMs: 0, maxBytes: 1 },
      log: {
        fetch: async ({ offset }: { offset: number }) => {
          calls += 1
          const records = Array.from({ length: COUNT - offset }, (_, n) => answer(offset + n))
          return { kind: 'records', records, next: COUNT } as const
        },
      },
      planner: new ResponsePlanner({ deadLetterTopic: 'dead', deliver, log: { produce: async () => [] } }),
      checkpoints: { move: () => undefined },
      health: { succeeded: () => undefined },
      committer: null,
      deadLetterLog: { report: () => undefined },
      nowMs: () => 0,
      warn: () => undefined,
    }
    for (let kind = ''; kind !== 'caught_up';) {
      calls = 0
      const result = await consume(consumer, at)
      expect(calls).toBeLessThan(MAX_CALLS)
      kind = result.kind
      at = result.at
    }
    expect(delivered).toEqual(Array.from({ length: COUNT }, (_, n) => n))
  })
})
