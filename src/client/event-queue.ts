// Hands events to handlers and async iterators, one after the other. An event is handled when every handler has returned
// and every iterator has asked for the next one: only then its position counts, so that a client that is cut off in the
// middle gets the event again.
import type { Handler, ReceivedEvent } from './types.ts'

interface Listener {
  readonly matches: (type: string) => boolean
  readonly handler: Handler
}

export class EventQueue {
  readonly #listeners = new Set<Listener>()
  readonly #onHandlerError: (error: unknown) => void

  constructor(onHandlerError: (error: unknown) => void) {
    this.#onHandlerError = onHandlerError
  }

  on(pattern: string, handler: Handler): () => void {
    const listener = { matches: typeMatcher(pattern), handler }
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Resolves when the event is handled. A handler that throws is reported and does not stop the others. */
  async dispatch(event: ReceivedEvent): Promise<void> {
    const pending: unknown[] = []
    for (const { matches, handler } of this.#listeners) {
      if (!matches(event.type)) continue
      try {
        pending.push(handler(event))
      } catch (error) {
        this.#onHandlerError(error)
      }
    }
    for (const result of await Promise.allSettled(pending)) {
      if (result.status === 'rejected') this.#onHandlerError(result.reason)
    }
  }

  /** Ends when `closed` resolves, after what is already waiting. Breaking out of the loop removes the iterator. */
  async *iterate(closed: Promise<unknown>): AsyncGenerator<ReceivedEvent, void> {
    const waiting: { readonly event: ReceivedEvent; readonly handled: () => void }[] = []
    let finishCurrent = (): void => {}
    let wake = (): void => {}
    let isClosed = false
    const remove = this.on('*', (event) => {
      // System events other than a gap say nothing to an application.
      if (event.type.startsWith('rig.') && event.type !== 'rig.gap') return undefined
      return new Promise<void>((handled) => {
        waiting.push({ event, handled })
        wake()
      })
    })
    const close = (): void => {
      isClosed = true
      wake()
    }
    void closed.then(close)
    try {
      for (;;) {
        const next = waiting.shift()
        if (next !== undefined) {
          finishCurrent = next.handled
          yield next.event
          finishCurrent()
        } else if (isClosed) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      remove()
      finishCurrent()
      for (const { handled } of waiting) handled()
    }
  }
}

/** `*` matches all; `order.*` matches `order.shipped` and `order.item.added`, not `order`. */
export function typeMatcher(pattern: string): (type: string) => boolean {
  if (pattern === '*') return () => true
  if (!pattern.endsWith('.*')) return (type) => type === pattern
  const prefix = pattern.slice(0, -1)
  return (type) => type.startsWith(prefix)
}
