// HTTP of the stand-in bridge: what a handler gets of a request, how it answers, and the errors of each dialect.
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { BridgeDialect } from './bridge-options.ts'

export const V2 = 'application/vnd.kafka.v2+json'
export const BINARY_V2 = 'application/vnd.kafka.binary.v2+json'

export interface BridgeRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly contentType: string
  readonly accept: string
  readonly authorization: string | undefined
  readonly cookie: string | undefined
  readonly body: string
}

export interface BridgeAnswer {
  readonly status: number
  readonly body?: unknown
  /** As it is, in place of `body` as JSON. */
  readonly text?: string
  readonly contentType?: string
}

/** What a proxy refuses. Strimzi's codes are HTTP's. */
export class Refused extends Error {
  readonly status: number
  readonly code: number

  constructor(status: number, code: number, message: string) {
    super(message)
    this.status = status
    this.code = code
  }

  toAnswer(dialect: BridgeDialect): BridgeAnswer {
    const code = dialect === 'strimzi' ? this.status : this.code
    return { status: this.status, body: { error_code: code, message: this.message } }
  }
}

export async function readRequest(request: IncomingMessage): Promise<BridgeRequest> {
  const url = new URL(request.url ?? '/', 'http://bridge')
  return {
    method: request.method ?? 'GET',
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    contentType: request.headers['content-type'] ?? '',
    accept: request.headers.accept ?? '*/*',
    authorization: request.headers.authorization,
    cookie: request.headers.cookie,
    body: await text(request),
  }
}

export function parseBody(request: BridgeRequest): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(request.body)
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
  } catch {
    // Refused below.
  }
  throw new Refused(400, 400, 'the body must be a JSON object')
}

export function requireContentType(request: BridgeRequest, ...types: readonly string[]): void {
  if (!types.includes(request.contentType)) throw new Refused(415, 415, 'HTTP 415 Unsupported Media Type')
}

export function requireAccept(request: BridgeRequest, code: number, ...types: readonly string[]): void {
  const accepted = request.accept.split(',').map((type) => type.trim())
  if (!types.some((type) => accepted.includes(type))) throw new Refused(406, code, 'HTTP 406 Not Acceptable')
}
