// AnswerDesk: the Durable Object where requests wait for their answers, whichever isolate they came to and wherever the
// answer arrives. Nothing is stored: a request does not outlive what waits for it. Its door is door.ts.
import { DurableObject } from 'cloudflare:workers'
import type { Answer } from './answer.ts'

/** One desk of many: more than this wait only if nobody answers any more. */
const MAX_WAITING = 20_000

interface Slot {
  readonly answered: Promise<Answer | null>
  settle(answer: Answer | null): void
}

export class AnswerDesk extends DurableObject<Env> {
  readonly #slots = new Map<string, Slot>()

  /** Before the request goes out, so that no answer can be faster. False: too many wait already. */
  async expect(id: string, timeoutMs: number): Promise<boolean> {
    if (this.#slots.size >= MAX_WAITING) return false
    const { promise: answered, resolve } = Promise.withResolvers<Answer | null>()
    const timer = setTimeout(() => resolve(null), timeoutMs)
    this.#slots.set(id, { answered, settle: resolve })
    void answered.then(() => clearTimeout(timer))
    return true
  }

  /** Null: none came in time, or nobody expects it. */
  async take(id: string): Promise<Answer | null> {
    const slot = this.#slots.get(id)
    if (slot === undefined) return null
    const answer = await slot.answered
    this.#slots.delete(id)
    return answer
  }

  /** The first one counts. Late and repeated ones find nobody. */
  async answer(id: string, answer: Answer): Promise<void> {
    this.#slots.get(id)?.settle(answer)
  }

  /** The request was answered otherwise. */
  async forget(id: string): Promise<void> {
    this.#slots.get(id)?.settle(null)
    this.#slots.delete(id)
  }
}
