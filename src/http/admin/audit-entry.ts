// An entry of the audit log: what was done by the internal API, by whom and from where. Requests that only read, and those that
// publish or answer, are not in it: they are not an operator's. Pure. Called by admin-api.ts; audit-log.ts writes it.
import { toHex } from '../../core/bytes.ts'

export interface AuditEntry {
  /** Method and path below the prefix, such as `DELETE /v3/connections`; of a service binding, its method. */
  readonly action: string
  /** What it was done to: query parameters, or arguments. Nothing secret. */
  readonly target: Readonly<Record<string, unknown>>
  /** Which of the internal tokens, by its fingerprint, or `service binding`. */
  readonly by: string
  /** The caller's IP address; null for service bindings. */
  readonly address: string | null
  /** HTTP status of the answer. */
  readonly status: number
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])
/** Data, and not operations: `/v1/topics/{topic}/try` and `/v1/routes/test` do nothing. */
const NOT_OPERATIONS = /\/(messages|responses|try|routes\/test)$/
const FINGERPRINT_BYTES = 4
/** A connection token is a secret of its client. */
const CONNECTION_TOKEN = /^(\/v3\/connections\/).+$/
/** Parameters that name what is changed; others are not repeated. */
const NAMED = ['user', 'session', 'field', 'value', 'id', 'target', 'revoke_seconds']

/** Returns the entry for a request that was answered, or undefined if it belongs to no audit log. `path` is below the prefix. */
export function toAuditEntry(
  request: Request,
  path: string,
  answer: { readonly status: number; readonly location: string | null },
  by: string,
): AuditEntry | undefined {
  if (READING.has(request.method) || NOT_OPERATIONS.test(path)) return undefined
  const query = new URL(request.url).searchParams
  const named = NAMED.flatMap((name) => (query.has(name) ? [[name, query.get(name)] as const] : []))
  return {
    action: `${request.method} ${path.replace(CONNECTION_TOKEN, '$1…')}`,
    // Revocations and definitions say by it what they have made.
    target: { ...Object.fromEntries(named), ...(answer.location === null ? {} : { made: answer.location }) },
    by,
    address: request.headers.get('cf-connecting-ip'),
    status: answer.status,
  }
}

/** Tells two tokens apart, and nobody what they are: they are random, and these are 32 bits of a hash. */
export async function fingerprintOf(token: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return `token ${toHex(new Uint8Array(hash).subarray(0, FINGERPRINT_BYTES))}`
}
