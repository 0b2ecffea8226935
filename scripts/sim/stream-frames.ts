// Parses what a stream of Rigel sends, SSE or NDJSON, into events and positions.
import type { ConnectRequest } from '../../src/core/identity/principal.ts'

/** A CloudEvent as clients get it; `data` as far as Rigel's own events use it. */
export interface ReceivedEvent {
  readonly specversion: string
  readonly id: string
  readonly type: string
  readonly data?: {
    readonly connection_token?: string
    readonly recovered?: boolean
    readonly last_event_id?: string
    readonly complete_since?: string | null
    readonly ref?: string
    /** Of events about a table. */
    readonly type?: string
    readonly key?: string
    readonly rows?: number
  }
}

interface StreamFrame {
  readonly id: string | undefined
  readonly event: ReceivedEvent | undefined
}

/** Parses whole frames. A frame without an event, a heartbeat, has a position only. */
export function parseStream(transport: ConnectRequest['transport'], text: string): readonly StreamFrame[] {
  if (transport === 'ndjson') {
    const lines = text.split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line) as StreamFrame)
  }
  return text.split('\n\n').map((block) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
    const data = field('data')
    return { id: field('id'), event: data === undefined ? undefined : (JSON.parse(data) as ReceivedEvent) }
  })
}
