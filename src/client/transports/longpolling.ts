// Long-polling, for networks that hold back streams and block WebSockets. Session and position are parameters, not cookies:
// a browser has one cookie for all tabs.
import { endedByError, endedByResponse, type Ended } from '../ended.ts'
import {
  authorization,
  connectParameters,
  ConnectionResource,
  type Link,
  type LinkCallbacks,
  type LinkRequest,
} from '../link.ts'
import type { CloudEvent } from '../types.ts'

interface PollAnswer {
  readonly connection_token: string
  readonly last_event_id: string
  readonly events: readonly CloudEvent[]
  readonly recovered?: boolean
}

/** RIG's word for the start of a session: no position yet. */
const FIRST_EVENT = 'first_event'

export function openLongpolling(request: LinkRequest, callbacks: LinkCallbacks): Link {
  const abort = new AbortController()
  const resource = new ConnectionResource(request, 'longpolling')
  let position = request.position ?? ''
  let isEnded = false

  function end(why: Ended): void {
    if (isEnded) return
    isEnded = true
    callbacks.ended(why)
  }

  /** Returns whether to poll again. */
  async function poll(): Promise<boolean> {
    const url = request.url('_rig/v1/connection/longpolling', {
      ...connectParameters(request),
      connection_token: resource.connectionToken,
      last_event_id: position,
    })
    const response = await fetch(url, {
      headers: authorization(resource.token),
      signal: abort.signal,
      cache: 'no-store',
    })
    if (!response.ok) {
      end(await endedByResponse(response))
      return false
    }
    const answer = (await response.json()) as PollAnswer
    const isFirst = resource.connectionToken === ''
    resource.connectionToken = answer.connection_token
    position = answer.last_event_id
    if (isFirst) callbacks.opened()
    if (answer.recovered === false) await callbacks.receive([{ event: gap(answer.last_event_id), position: null }])
    await callbacks.receive(answer.events.map((event) => ({ event, position: null })))
    if (answer.last_event_id !== FIRST_EVENT) callbacks.passed(answer.last_event_id)
    return !isEnded
  }

  async function pollUntilEnded(): Promise<void> {
    for (;;) if (!(await poll())) return
  }

  void pollUntilEnded().catch((error: unknown) => end(endedByError(error)))

  return {
    subscribe: (subscriptions) => resource.subscribe(subscriptions),
    askPassed: (offsets, ref) => resource.askPassed(offsets, ref),
    renew: (token) => resource.renew(token),
    // A poll that was lost ends by itself, and its events are still there.
    check: () => {},
    close: () => {
      isEnded = true
      abort.abort()
    },
  }
}

/** Says of an answer's gap what other transports say when they connect. */
function gap(id: string): CloudEvent {
  return {
    specversion: '1.0',
    id: `gap-${id}`,
    source: 'rig',
    type: 'rig.connection.create',
    data: { recovered: false },
  }
}
