// Presence states that have not been sent whole, in the order in which they were asked for. The first page of a state replaces
// what the client knows; the others are sent as differences that add to it. Pure. Used by phoenix-connection.ts.
import type { Channel } from '../channel.ts'
import type { PresencePageReader } from './presence-copy.ts'

interface PagedState {
  readonly channel: Channel
  readonly pages: PresencePageReader
  event: 'presence_state' | 'presence_diff'
}

/** A message of a channel. `payload`: JSON. */
export interface PresencePage {
  readonly channel: Channel
  readonly event: 'presence_state' | 'presence_diff'
  readonly payload: string
}

export class PresencePages {
  readonly #states: PagedState[] = []

  get isEmpty(): boolean {
    return this.#states.length === 0
  }

  push(channel: Channel, pages: PresencePageReader): void {
    this.#states.push({ channel, pages, event: 'presence_state' })
  }

  /**
   * Returns the next page of the oldest state; undefined if that has ended or its channel is not joined any more; `dropped` if the rest
   * of it does not exist any more.
   */
  next(isJoined: (channel: Channel) => boolean): PresencePage | 'dropped' | undefined {
    const [state] = this.#states
    const page = state?.pages.next()
    if (state === undefined || page === undefined) return undefined
    const { channel, event } = state
    if (page.done === true || !isJoined(channel)) {
      this.#states.shift()
      return page.done === true && page.value.isDropped && isJoined(channel) ? 'dropped' : undefined
    }
    state.event = 'presence_diff'
    const payload = event === 'presence_state' ? page.value : `{"joins":${page.value},"leaves":{}}`
    return { channel, event, payload }
  }
}
