// Keeps the responses of `caches.default` in memory, for one process. Routes with `cache` put them. workerd passes a
// response as the bytes of an HTTP/1.1 message. Pure. Used by main.ts.

export interface CachedResponse {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
  readonly expiresAtMs: number
}

/** Returns undefined for bytes that are not an HTTP message, and for a response that must not be cached. */
export function parseCached(bytes: Uint8Array, nowMs: number): CachedResponse | undefined {
  const end = endOfHead(bytes)
  const [statusLine = '', ...lines] = new TextDecoder().decode(bytes.subarray(0, end)).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1])
  if (end < 0 || Number.isNaN(status)) return undefined
  const headers = lines.flatMap((line): [string, string][] => {
    const colon = line.indexOf(':')
    return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1).trim()]] : []
  })
  const control = headers.find(([name]) => name.toLowerCase() === 'cache-control')?.[1] ?? ''
  const lifetime = /s-maxage=(\d+)/i.exec(control) ?? /max-age=(\d+)/i.exec(control)
  const seconds = Number(lifetime?.[1] ?? 0)
  return seconds === 0
    ? undefined
    : { status, headers, body: bytes.subarray(end + 4), expiresAtMs: nowMs + seconds * 1_000 }
}

/** Returns where the blank line begins, or -1. */
function endOfHead(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at
  }
  return -1
}

/** A least-recently-used cache by URL, limited to `maxBytes` of bodies. */
export class ResponseStore {
  readonly #responses = new Map<string, CachedResponse>()
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get(url: string, nowMs: number): CachedResponse | undefined {
    const found = this.#responses.get(url)
    if (found === undefined) return undefined
    this.delete(url)
    if (found.expiresAtMs <= nowMs) return undefined
    this.#add(url, found)
    return found
  }

  put(url: string, response: CachedResponse): void {
    this.delete(url)
    if (response.body.byteLength > this.#maxBytes) return
    this.#add(url, response)
    for (const oldest of this.#responses.keys()) {
      if (this.#bytes <= this.#maxBytes) return
      this.delete(oldest)
    }
  }

  delete(url: string): boolean {
    const found = this.#responses.get(url)
    if (found === undefined) return false
    this.#bytes -= found.body.byteLength
    return this.#responses.delete(url)
  }

  #add(url: string, response: CachedResponse): void {
    this.#responses.set(url, response)
    this.#bytes += response.body.byteLength
  }
}
