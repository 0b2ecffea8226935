// WebSocket with the subprotocol `rigel.v1`: every frame is acknowledged when its events are handled, so a slow page holds
// the server back instead of being cut off. The token travels as the subprotocol `bearer.<token>`, never in a URL.
import { endedByCode, endedByError } from '../ended.ts'
import { connectParameters, Refusal, type Link, type LinkCallbacks, type LinkRequest } from '../link.ts'
import type { CloudEvent, Subscription } from '../types.ts'

const OPEN_TIMEOUT_MS = 10_000
/** Below the 60 s after which common proxies cut a quiet connection. */
const PING_EVERY_MS = 25_000
const PONG_TIMEOUT_MS = 8_000

type Frame =
  | { readonly type: 'events'; readonly events: readonly { readonly id: string; readonly event: CloudEvent }[] }
  | { readonly type: 'position'; readonly id: string; readonly ref?: string }
  | {
      readonly type: 'subscribed' | 'renewed' | 'error'
      readonly ref?: string
      readonly message?: string
      readonly status?: number
    }

interface Pending {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export function openWebSocket(request: LinkRequest, callbacks: LinkCallbacks): Link {
  const url = request.url('_rig/v1/connection/ws', connectParameters(request))
  url.protocol = url.protocol.replace('http', 'ws')
  const socket = new WebSocket(url, ['rigel.v1', ...(request.token === null ? [] : [`bearer.${request.token}`])])
  const pending = new Map<string, Pending>()
  let refs = 0
  let isEnded = false
  /** A frame has come. Some networks let the handshake pass, and no frames. */
  let isOpen = false
  /** Frames are handled one after the other. */
  let handling = Promise.resolve()
  let timer = setTimeout(() => end(0, 'no frame came over the WebSocket in time'), OPEN_TIMEOUT_MS)

  function end(code: number, reason: string): void {
    if (isEnded) return
    stop()
    callbacks.ended(code === 0 ? endedByError(reason) : endedByCode(code, reason))
  }

  function stop(): void {
    isEnded = true
    clearTimeout(timer)
    for (const { reject } of pending.values()) reject(new Error('the connection ended'))
    socket.close()
  }

  function ping(): void {
    clearTimeout(timer)
    socket.send('ping')
    timer = setTimeout(() => end(0, 'no pong'), PONG_TIMEOUT_MS)
  }

  function pingLater(): void {
    clearTimeout(timer)
    timer = setTimeout(ping, PING_EVERY_MS)
  }

  async function handle(frame: Frame): Promise<void> {
    if (isEnded) return
    if (frame.type === 'position') callbacks.passed(frame.id, frame.ref)
    if (frame.type !== 'events') return
    await callbacks.receive(frame.events.map(({ id, event }) => ({ event, position: id })))
    const last = frame.events.at(-1)
    if (last !== undefined && socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ type: 'ack', id: last.id }))
    }
  }

  /** Settles the client's requests at once: replies do not wait until earlier events are handled. */
  function settle(frame: Frame): void {
    if (frame.type === 'events') return
    const asked = pending.get(frame.ref ?? '')
    pending.delete(frame.ref ?? '')
    if (frame.type === 'error') asked?.reject(new Refusal(frame.message ?? 'refused', frame.status === 400))
    else asked?.resolve()
  }

  function ask(frame: object, ref = `own ${(refs += 1)}`): Promise<void> {
    if (socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error('not connected'))
    socket.send(JSON.stringify({ ...frame, ref }))
    return new Promise((resolve, reject) => pending.set(ref, { resolve, reject }))
  }

  socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
    if (isEnded) return
    pingLater()
    if (!isOpen) {
      isOpen = true
      callbacks.opened()
    }
    if (data === 'pong') return
    const frame = JSON.parse(data) as Frame
    settle(frame)
    handling = handling.then(() => handle(frame))
  })
  socket.addEventListener('close', ({ code, reason }) => end(code, reason))

  return {
    askPassed: (offsets, ref) => ask({ type: 'passed', offsets }, ref),
    subscribe: (subscriptions: readonly Subscription[]) => ask({ type: 'subscribe', subscriptions }),
    renew: (token) => ask({ type: 'token', token }),
    check: () => socket.readyState === WebSocket.OPEN && ping(),
    close: stop,
  }
}
