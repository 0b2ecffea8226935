// Asks a service of the user's whether subscriptions or events are allowed: SUBSCRIPTION_CHECK and SUBMISSION_CHECK as a
// URL, RIG's protocol. 2xx allows; everything else denies, silence and redirects included: this fails closed. A verdict is
// remembered only if the service says so (`cache-control: max-age`), and only for the very same question.
export interface AuthorizationRequest {
  readonly contentType: string
  /** The `authorization` that came with the request, or made of its token; opaque tokens too. Null: none. */
  readonly authorization: string | null
  readonly body: string
}

/** Answers whether it is allowed. */
export type Authorizer = (url: string, question: AuthorizationRequest) => Promise<boolean>

export interface AuthorizerOptions {
  readonly timeoutMs: number
  readonly fetch: typeof fetch
  readonly nowMs: () => number
}

/** How many verdicts an isolate remembers at most. */
const MAX_REMEMBERED = 1_000
const MAX_AGE_SECONDS = 3_600

export function createAuthorizer({ timeoutMs, fetch: fetcher, nowMs }: AuthorizerOptions): Authorizer {
  const verdicts = new TtlCache<string, boolean>(MAX_REMEMBERED, nowMs)
  return async (url, question) => {
    const key = await digest(url, question)
    const known = verdicts.get(key)
    if (known !== undefined) return known
    const answer = await ask(fetcher, timeoutMs, url, question)
    if (answer === undefined) return false
    const maxAgeSeconds = maxAgeOf(answer.headers)
    if (maxAgeSeconds > 0) verdicts.set(key, answer.ok, nowMs() + maxAgeSeconds * 1_000)
    return answer.ok
  }
}

async function ask(
  fetcher: typeof fetch,
  timeoutMs: number,
  url: string,
  { authorization, body, contentType }: AuthorizationRequest,
): Promise<Response | undefined> {
  try {
    const response = await fetcher(url, {
      method: 'POST',
      headers: { 'content-type': contentType, ...(authorization === null ? {} : { authorization }) },
      body,
      // To whom the service points is not who was configured.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    // The status is the verdict: what else it says is not read, however long it is.
    await response.body?.cancel()
    if (!response.ok && response.status !== 401 && response.status !== 403)
      console.warn({ message: 'a check service gave no verdict: denied', url, status: response.status })
    return response
  } catch (error) {
    console.warn({ message: 'a check service did not answer: denied', url, error: String(error) })
    return undefined
  }
}

/** RFC 9111: 0 unless the answer may be stored. */
function maxAgeOf(headers: Headers): number {
  const directives = (headers.get('cache-control') ?? '').toLowerCase()
  if (/\b(no-store|no-cache)\b/.test(directives)) return 0
  const seconds = Number(/\bmax-age=(\d{1,9})\b/.exec(directives)?.[1] ?? 0)
  return Math.min(seconds, MAX_AGE_SECONDS)
}

/** Tokens do not stay in memory. */
async function digest(url: string, { authorization, body, contentType }: AuthorizationRequest): Promise<string> {
  const text = JSON.stringify([url, contentType, authorization, body])
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return toHex(new Uint8Array(hash))
}
import { toHex } from '../core/bytes.ts'
import { TtlCache } from '../core/ttl-cache.ts'
