// The client library's table without a connection, for sim.ts and soak.ts: it is given the events that a client of any
// transport received.
import { table, type LiveTable } from '../src/client/table.ts'
import { typeMatcher } from '../src/client/event-queue.ts'
import type { ReceivedEvent } from '../src/client/types.ts'

/** What a client receives, as far as a table reads it. */
export type TableEvent = Pick<ReceivedEvent, 'id' | 'type' | 'specversion'>

/** The table of an event type, and what gives it the next event. */
export interface TableOfEvents {
  readonly table: LiveTable
  dispatch(this: void, event: TableEvent): void
}

export function tableOfEvents(type: string): TableOfEvents {
  const listeners: ((event: TableEvent) => void)[] = []
  const on = (pattern: string, handler: (event: never) => unknown) => {
    const isFor = typeMatcher(pattern)
    listeners.push((event) => void (isFor(event.type) && handler(event as never)))
    return () => undefined
  }
  const dispatch = (event: TableEvent) => listeners.forEach((listener) => listener(event))
  return { table: table({ on }, type), dispatch }
}
