// Server-Sent Events by fetch, which EventSource cannot replace here: it hides the status of a refusal, sends no
// Authorization header, and reads on however slowly its page handles events.
import { endedByCode, endedByError, endedByResponse, type Ended } from '../ended.ts'
import {
  authorization,
  connectParameters,
  ConnectionResource,
  type Link,
  type LinkCallbacks,
  type LinkRequest,
} from '../link.ts'
import type { CloudEvent } from '../types.ts'

/** Rigel sends its first bytes at once: if none arrive, the network holds streams back. */
const FIRST_BYTES_TIMEOUT_MS = 8_000
/** Rigel's heartbeat comes every 15 s by default. */
const SILENCE_TIMEOUT_MS = 45_000

interface SseMessage {
  readonly data: string
  readonly id: string | null
}

export function openSse(request: LinkRequest, callbacks: LinkCallbacks): Link {
  const abort = new AbortController()
  const resource = new ConnectionResource(request, 'sse')
  let isEnded = false
  let timer = setTimeout(() => end(endedByError('the stream did not begin in time')), FIRST_BYTES_TIMEOUT_MS)

  function end(why: Ended): void {
    if (isEnded) return
    stop()
    callbacks.ended(why)
  }

  function stop(): void {
    isEnded = true
    clearTimeout(timer)
    abort.abort()
  }

  function heard(): void {
    clearTimeout(timer)
    if (!isEnded) timer = setTimeout(() => end(endedByError('no heartbeat')), SILENCE_TIMEOUT_MS)
  }

  async function take({ data, id }: SseMessage): Promise<void> {
    if (data === '') {
      if (id !== null) callbacks.passed(id)
      return
    }
    const event = JSON.parse(data) as CloudEvent<{ connection_token?: string; code?: number; reason?: string }>
    if (event.type === 'rig.connection.create') {
      resource.connectionToken = event.data?.connection_token ?? ''
      callbacks.opened()
    }
    await callbacks.receive([{ event, position: id }])
    if (event.type === 'rig.connection.close') end(endedByCode(event.data?.code ?? 0, event.data?.reason ?? ''))
  }

  async function read(): Promise<void> {
    const url = request.url('_rig/v1/connection/sse', connectParameters(request))
    const headers = { accept: 'text/event-stream', ...authorization(request.token) }
    const response = await fetch(url, { headers, signal: abort.signal, cache: 'no-store' })
    if (!response.ok || response.body === null) return end(await endedByResponse(response))
    const decoder = new TextDecoder()
    const parse = createSseParser()
    const reader = response.body.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done || isEnded) return end(endedByError('the stream ended'))
      heard()
      for (const message of parse(decoder.decode(value, { stream: true }))) if (!isEnded) await take(message)
    }
  }

  void read().catch((error: unknown) => end(endedByError(error)))
  return {
    subscribe: (subscriptions) => resource.subscribe(subscriptions),
    askPassed: (offsets, ref) => resource.askPassed(offsets, ref),
    renew: (token) => resource.renew(token),
    // A stream cannot be asked: its heartbeat tells.
    check: () => {},
    close: stop,
  }
}

/** Returns a function that takes text as it arrives and returns the messages that are complete (HTML standard, 9.2.6). */
export function createSseParser(): (text: string) => SseMessage[] {
  let buffered = ''
  return (text) => {
    // A CR at the very end may be half of a CRLF: it waits for the next chunk.
    const all = buffered + text
    const end = all.endsWith('\r') ? all.length - 1 : all.length
    const blocks = all.slice(0, end).replaceAll(/\r\n?/g, '\n').split('\n\n')
    buffered = (blocks.pop() ?? '') + all.slice(end)
    return blocks.map(parseBlock)
  }
}

function parseBlock(block: string): SseMessage {
  const data: string[] = []
  let id: string | null = null
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^([^:]+):? ?(.*)$/s.exec(line) ?? []
    if (field === 'data') data.push(value)
    if (field === 'id') id = value
  }
  return { data: data.join('\n'), id }
}
