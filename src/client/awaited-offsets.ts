// What `passed` waits for: offsets that Rigel is asked about, once per connection, until it says that everything up to there
// has been sent. Its word is in the order of the events, so that it is handled after them. For connection.ts.
import { Refusal, type Link } from './link.ts'

/** A question that was not answered is asked again after this time, while the connection is open. */
const ASK_AGAIN_MS = 2_000

interface Awaited {
  readonly offsets: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class AwaitedOffsets {
  readonly #awaited = new Map<string, Awaited>()
  /** Null while there is no connection. */
  #link: Pick<Link, 'askPassed'> | null = null
  readonly #name: string
  #refs = 0

  /** `name`: distinguishes these questions from those of other tabs on the same connection. */
  constructor(name = 'passed') {
    this.#name = name
  }

  add(offsets: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#refs += 1
      const ref = `${this.#name} ${this.#refs}`
      this.#awaited.set(ref, { offsets, resolve, reject })
      this.#ask(ref)
    })
  }

  /** The connection is open, or, with null, lost. A new one knows nothing of the questions of the last. */
  opened(link: Pick<Link, 'askPassed'> | null): void {
    this.#link = link
    for (const ref of this.#awaited.keys()) this.#ask(ref)
  }

  /** Everything before this answer has been handled. */
  answered(ref: string): void {
    this.#awaited.get(ref)?.resolve()
    this.#awaited.delete(ref)
  }

  /** The same question would be refused again. */
  refused(ref: string, error: unknown): void {
    this.#awaited.get(ref)?.reject(error)
    this.#awaited.delete(ref)
  }

  closed(reason: string): void {
    for (const { reject } of this.#awaited.values()) reject(new Error(`the connection is closed: ${reason}`))
    this.#awaited.clear()
  }

  #ask(ref: string): void {
    const link = this.#link
    const awaited = this.#awaited.get(ref)
    if (link === null || awaited === undefined) return
    link.askPassed(awaited.offsets, ref).catch((error: unknown) => {
      if (error instanceof Refusal && error.isFinal) this.refused(ref, error)
      else setTimeout(() => link === this.#link && this.#ask(ref), ASK_AGAIN_MS)
    })
  }
}
