// Many clients in one process that use little CPU: they count what arrives and do not parse it. For scripts/bench.ts.
import { get } from 'node:http'
import { WebSocket } from 'ws'

/** What each event of the bench has once: a frame of `rigel.v1` may have several events. */
const EVENT = Buffer.from('"specversion"')

/** Counts what all its connections receive, and resolves when enough has come. */
export class Crowd {
  readonly #close: (() => void)[] = []
  #received = 0
  #wanted = Infinity
  #reached: () => void = () => undefined

  /** Calls `trigger`, and answers how many milliseconds it took until `count` more had been received. */
  async timeUntil(count: number, trigger: () => Promise<unknown>): Promise<number> {
    this.#received = 0
    this.#wanted = count
    const reached = new Promise<void>((resolve) => (this.#reached = resolve))
    const startedMs = performance.now()
    await Promise.all([trigger(), reached])
    return performance.now() - startedMs
  }

  /** `first`: sent by each as it opens. */
  async addSockets(url: string, count: number, ready: number, protocol?: string, first?: string): Promise<void> {
    await inTens(count, () => this.#addSocket(url, ready, protocol, first))
  }

  async addStreams(url: string, count: number, marker: string): Promise<void> {
    await inTens(count, () => this.#addStream(url, Buffer.from(marker)))
  }

  close(): void {
    for (const close of this.#close) close()
  }

  /** Ready after its first `ready` messages: those greet it and do not count. */
  #addSocket(url: string, ready: number, protocol?: string, first?: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, protocol === undefined ? [] : [protocol], { perMessageDeflate: false })
      this.#close.push(() => socket.terminate())
      let greetings = ready
      if (ready === 0) socket.on('open', () => resolve())
      if (first !== undefined) socket.on('open', () => socket.send(first))
      socket.on('error', reject)
      socket.on('message', (data) => {
        if (greetings > 0) {
          greetings -= 1
          if (greetings === 0) resolve()
        } else this.#count(protocol === 'rigel.v1' ? occurrences(data as Buffer, EVENT) : 1)
      })
    })
  }

  #addStream(url: string, marker: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = get(url, { agent: false }, (response) => {
        response.on('data', (chunk: Buffer) => {
          resolve()
          this.#count(occurrences(chunk, marker))
        })
        response.on('error', () => undefined)
      })
      this.#close.push(() => request.destroy())
      request.on('error', reject)
    })
  }

  #count(more: number): void {
    this.#received += more
    if (this.#received >= this.#wanted) this.#reached()
  }
}

/** A marker that a chunk boundary cuts is not found: the bench asks for a little less than all, on both sides alike. */
function occurrences(chunk: Buffer, marker: Buffer): number {
  let found = 0
  for (let at = chunk.indexOf(marker); at >= 0; at = chunk.indexOf(marker, at + marker.length)) found += 1
  return found
}

async function inTens(count: number, open: () => Promise<void>): Promise<void> {
  for (let opened = 0; opened < count; opened += 10) {
    await Promise.all(Array.from({ length: Math.min(10, count - opened) }, open))
  }
}
