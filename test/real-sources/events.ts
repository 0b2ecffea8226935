// Events of the tests of this folder, whatever source they are put into; and the truth: what was put there.
import type { Produced } from '../e2e/topic.ts'
import { ADDRESSED, BROADCAST } from '../real-kafka/events.ts'
import { sleep } from '../e2e/rigel.ts'

/** Stores one event. Resolves when it is stored, once, however often it had to try. */
export type Put = (id: string, key: string, json: string) => Promise<void>

export class EventSequence {
  /** What was stored, in order. */
  readonly all: Produced[] = []
  readonly #put: Put

  constructor(put: Put) {
    this.#put = put
  }

  /** Rounds of an event for alice and one for everybody, each when the one before it is stored. */
  async produce(rounds: number, everyMs = 0): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      for (const recipients of [['alice'], undefined]) {
        const n = this.all.length + 1
        const key = `k${n % 5}`
        const data = recipients ? { key, n, recipients } : { key, n }
        const event = {
          specversion: '1.0',
          id: `${n}`,
          source: '/test',
          type: recipients ? ADDRESSED : BROADCAST,
          data,
        }
        await this.#put(event.id, key, JSON.stringify(event))
        this.all.push(event)
      }
      if (everyMs > 0) await sleep(everyMs)
    }
  }
}
