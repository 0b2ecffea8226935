// The object that `connect` and `connectShared` return: what an application sees of a connection, and nothing of its workings.
import type { EventQueue } from './event-queue.ts'
import type {
  ConnectionState,
  EventTypes,
  FilterTypes,
  Problem,
  Produced,
  Rigel,
  Subscription,
  TransportName,
} from './types.ts'

/** One connection of this tab, or one that it shares. */
export interface ConnectionSource {
  readonly state: ConnectionState
  readonly position: string | null
  readonly transport: TransportName
  readonly closed: Promise<Problem>
  readonly events: EventQueue
  onState(listener: (state: ConnectionState) => void): () => void
  subscribe(subscriptions: readonly Subscription[]): Promise<void>
  passed(offsets: string): Promise<void>
  close(): void
}

/** The header of an answer whose events have been stored. */
const PRODUCED_HEADER = 'rigel-produced'

function offsetsOf(answer: Produced): string {
  if (typeof answer === 'string') return answer
  if ('topic' in answer) return `${answer.topic}/${answer.partition}@${answer.offset}`
  const offsets = answer.headers.get(PRODUCED_HEADER)
  if (offsets !== null) return offsets
  throw new TypeError('the answer has no header Rigel-Produced: it is of no request that Rigel has stored in a topic')
}

export function toRigel<Events extends EventTypes, Filters extends FilterTypes>(
  source: ConnectionSource,
): Rigel<Events, Filters> {
  return {
    get state() {
      return source.state
    },
    get lastEventId() {
      return source.position
    },
    get transport() {
      return source.transport
    },
    closed: source.closed,
    on: (type: string, handler: (event: never) => unknown) => source.events.on(type, handler as never),
    onState: (listener) => source.onState(listener),
    subscribe: (subscriptions) => source.subscribe(subscriptions),
    passed: async (answer) => source.passed(offsetsOf(answer)),
    close: () => source.close(),
    // What an event's data is, is what the application says that it is.
    [Symbol.asyncIterator]: () =>
      source.events.iterate(source.closed) as ReturnType<Rigel<Events>[typeof Symbol.asyncIterator]>,
  }
}
