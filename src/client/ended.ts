// Why a connection ended, and whether the client should return: the client's side of the table of close codes in docs/protocol.md.
import { retryAfterMs } from './backoff.ts'

export interface Ended {
  /** A WebSocket close code, an HTTP status, or 0 if there was no answer. */
  readonly code: number
  readonly reason: string
  /** `new-token`: only if `token()` returns another token than the one that was refused. */
  readonly next: 'retry' | 'new-token' | 'stop'
  /** The least time to wait, as the server says. */
  readonly afterMs?: number
}

/** A reason of 4003 that says when to come back. */
const COME_BACK_IN = /come back in (\d+) ms\.$/

/** Token expired, token invalid. */
const NEEDS_NEW_TOKEN = new Set([4500, 4502])

/** 3500 to 3999 and 4500 to 4999: the same request would be refused again. */
export function endedByCode(code: number, reason: string): Ended {
  if (NEEDS_NEW_TOKEN.has(code)) return { code, reason, next: 'new-token' }
  const isFinal = (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999)
  return { code, reason, next: isFinal ? 'stop' : 'retry', afterMs: Number(COME_BACK_IN.exec(reason)?.[1] ?? 0) }
}

const RETRIABLE_STATUSES = new Set([408, 425, 429])

export async function endedByResponse(response: Response): Promise<Ended> {
  const reason = (await response.text().catch(() => '')).slice(0, 200) || response.statusText
  const code = response.status
  const afterMs = retryAfterMs(response.headers.get('retry-after'), Date.now())
  if (code === 401) return { code, reason, next: 'new-token' }
  const isFinal = code >= 400 && code < 500 && !RETRIABLE_STATUSES.has(code)
  return { code, reason, next: isFinal ? 'stop' : 'retry', afterMs }
}

export function endedByError(error: unknown): Ended {
  return { code: 0, reason: error instanceof Error ? error.message : String(error), next: 'retry' }
}
