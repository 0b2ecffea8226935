import { describe, expect, it } from 'vitest'
import type { Correlated } from '../../src/answers/answer.ts'
import type { NewRecord } from '../../src/core/log-record.ts'
import { sortAnswers } from '../../src/ingest/sort-answers.ts'

const CORRELATION = `7.${'a'.repeat(32)}`
const bytes = (text: string) => new TextEncoder().encode(text)

async function sorted(headers: readonly (readonly [string, Uint8Array])[], value: Uint8Array | null) {
  const delivered: Correlated[] = []
  const letters: NewRecord[] = []
  const deps = {
    deadLetterTopic: 'dead',
    deliver: async (answer: Correlated) => void delivered.push(answer),
    produce: async (records: readonly NewRecord[]) => void letters.push(...records),
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
  const { deadLetters, stages } = sortAnswers(deps, [record])
  await Promise.all(stages.flat().map((one) => one()))
  return { delivered, letters: letters.length, deadLetters }
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

  it.each([null, bytes('{}'), bytes('garbage'), new Uint8Array([255])])(
    'that nobody can wait for is a dead letter: %j',
    async (value) => expect(await sorted([], value)).toEqual({ delivered: [], letters: 1, deadLetters: 1 }),
  )
})
