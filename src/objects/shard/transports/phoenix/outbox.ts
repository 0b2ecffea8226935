// What is sent to a long-polling session waits here until the client asks for what comes after it. A response that got lost
// is given again: the cursor is part of the session token, which changes with every response.

import type { Timers } from '../../timers.ts'

export type PollResult =
  | { readonly kind: 'messages'; readonly frames: readonly string[]; readonly cursor: number }
  | { readonly kind: 'nothing'; readonly cursor: number }
  | { readonly kind: 'gone' }

export class Outbox {
  readonly #limitChars: number
  readonly #timers: Timers
  #frames: string[] = []
  /** The cursor of the oldest frame. */
  #first = 0
  #chars = 0
  #closed = false
  #wake: (() => void) | undefined
  /** When it was last polled, in milliseconds since the epoch. */
  seenAtMs: number

  constructor(limitChars: number, nowMs: number, timers: Timers) {
    this.#limitChars = limitChars
    this.#timers = timers
    this.seenAtMs = nowMs
  }

  get isPolled(): boolean {
    return this.#wake !== undefined
  }

  get bufferedChars(): number {
    return this.#chars
  }

  /** Returns false if more than the limit waits now. */
  send(frame: string): boolean {
    if (this.#closed) return true
    this.#frames.push(frame)
    this.#chars += frame.length
    this.#wake?.()
    return this.#chars <= this.#limitChars
  }

  close(): void {
    this.#closed = true
    this.#frames = []
    this.#chars = 0
    this.#wake?.()
  }

  /** Returns what comes after `cursor`, and waits up to `waitMs` for it. A newer call ends an older one. */
  async take(cursor: number, waitMs: number): Promise<PollResult> {
    this.#wake?.()
    this.#drop(cursor)
    if (this.#frames.length === 0 && !this.#closed) await this.#nextFrame(waitMs)
    if (this.#closed || cursor < this.#first) return { kind: 'gone' }
    if (this.#frames.length === 0) return { kind: 'nothing', cursor }
    return { kind: 'messages', frames: [...this.#frames], cursor: this.#first + this.#frames.length }
  }

  #drop(cursor: number): void {
    const dropped = this.#frames.splice(0, Math.max(0, cursor - this.#first))
    this.#first += dropped.length
    this.#chars -= dropped.reduce((sum, frame) => sum + frame.length, 0)
  }

  #nextFrame(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#timers.after(waitMs, () => this.#wake?.())
      this.#wake = () => {
        cancel()
        this.#wake = undefined
        resolve()
      }
    })
  }
}
