// A reader and a publisher who know every instance of a cluster, and go to the next one when theirs fails, as behind a load
// balancer. What a reader has seen and what a publisher was confirmed is kept.
import { sleep } from '../e2e/rigel.ts'

export const TYPE = 'cluster.news'
const SUBSCRIPTIONS = encodeURIComponent(JSON.stringify([{ eventType: TYPE }]))
const RETRY_MS = 200

/** Reads by SSE, and resumes at another instance. */
export class Reader {
  readonly seen: string[] = []
  /** Events that tell of a gap. */
  readonly gaps: string[] = []
  readonly #origins: readonly string[]
  #at: number
  #lastId: string | undefined
  readonly #closing = new AbortController()

  constructor(origins: readonly string[], at: number) {
    this.#origins = origins
    this.#at = at
    void this.#run()
  }

  close(): void {
    this.#closing.abort()
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await this.#read().catch(() => undefined)
      await sleep(RETRY_MS)
      this.#at += 1
    }
  }

  async #read(): Promise<void> {
    const origin = this.#origins[this.#at % this.#origins.length]
    const headers: Record<string, string> = this.#lastId === undefined ? {} : { 'last-event-id': this.#lastId }
    const url = `${origin}/_rig/v1/connection/sse?subscriptions=${SUBSCRIPTIONS}`
    const response = await fetch(url, { headers, signal: this.#closing.signal })
    if (response.status !== 200 || response.body === null) return
    let text = ''
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = `${text}${chunk}`.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) this.#take(block)
    }
  }

  #take(block: string): void {
    this.#lastId = /^id: ?(.*)$/m.exec(block)?.[1] ?? this.#lastId
    const data = /^data: ?(.*)$/m.exec(block)?.[1]
    if (data === undefined) return
    const event = JSON.parse(data) as { readonly id: string; readonly type: string }
    if (event.type === TYPE) this.seen.push(event.id)
    if (event.type.includes('gap')) this.gaps.push(data)
  }
}

/** Publishes one event until an instance confirms it. */
export async function publish(origins: readonly string[], at: number, id: string): Promise<void> {
  const body = JSON.stringify({ specversion: '1.0', id, source: '/e2e', type: TYPE })
  const headers = { 'content-type': 'application/cloudevents+json', 'idempotency-key': id }
  for (let n = at; ; n += 1) {
    const url = `${origins[n % origins.length]}/_rig/v1/events`
    const signal = AbortSignal.timeout(15_000)
    const response = await fetch(url, { method: 'POST', headers, body, signal }).catch(() => undefined)
    if (response?.status === 202) return
    await sleep(RETRY_MS)
  }
}
