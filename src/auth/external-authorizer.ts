// Asks the operator's check service whether subscriptions or events are allowed (SUBSCRIPTION_CHECK and SUBMISSION_CHECK as
// a URL), by RIG's protocol. 2xx allows; everything else denies, also a timeout or a redirect. A decision is remembered only
// if the service says so (`cache-control: max-age`), and only for an identical request. Called by the handlers of http.
import { logIncident } from '../telemetry/incident-log.ts'
import { toHex } from '../core/bytes.ts'
import { TtlCache } from '../core/time/ttl-cache.ts'

export interface AuthorizationRequest {
  readonly contentType: string
  /** The client's `authorization` header, or one made from its token, which may be opaque to Rigel. Null: no token. */
  readonly authorization: string | null
  readonly body: string
}

/** Resolves to true if the request is allowed. */
export type Authorizer = (url: string, request: AuthorizationRequest) => Promise<boolean>

export interface AuthorizerOptions {
  readonly timeoutMs: number
  readonly fetch: typeof fetch
  readonly nowMs: () => number
}

/** The most decisions that an isolate remembers. */
const MAX_REMEMBERED = 1_000
const MAX_AGE_SECONDS = 3_600

export function createAuthorizer({ timeoutMs, fetch: fetcher, nowMs }: AuthorizerOptions): Authorizer {
  const decisions = new TtlCache<string, boolean>(MAX_REMEMBERED, nowMs)
  return async (url, request) => {
    const key = await digest(url, request)
    const known = decisions.get(key)
    if (known !== undefined) return known
    const response = await ask(fetcher, timeoutMs, url, request)
    if (response === undefined) return false
    const maxAgeSeconds = maxAgeOf(response.headers)
    if (maxAgeSeconds > 0) decisions.set(key, response.ok, nowMs() + maxAgeSeconds * 1_000)
    return response.ok
  }
}

/** Resolves to undefined if the service is out of reach or does not answer in time. */
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
      // Redirects are not followed: the client's credentials are for the configured host only.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    // Only the status counts; the body may be of any length.
    await response.body?.cancel()
    if (!response.ok && response.status !== 401 && response.status !== 403)
      logIncident('a check service answered with neither 2xx, 401 nor 403: denied', { url, status: response.status })
    return response
  } catch (error) {
    logIncident('a check service did not answer: denied', { url }, { error: String(error) })
    return undefined
  }
}

/** Returns 0 if the response may not be stored (RFC 9111). */
function maxAgeOf(headers: Headers): number {
  const directives = (headers.get('cache-control') ?? '').toLowerCase()
  if (/\b(no-store|no-cache)\b/.test(directives)) return 0
  const seconds = Number(/\bmax-age=(\d{1,9})\b/.exec(directives)?.[1] ?? 0)
  return Math.min(seconds, MAX_AGE_SECONDS)
}

/** A digest, so that tokens do not stay in memory. */
async function digest(url: string, { authorization, body, contentType }: AuthorizationRequest): Promise<string> {
  const text = JSON.stringify([url, contentType, authorization, body])
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return toHex(new Uint8Array(hash))
}
