// Makes the entries of the audit log: which change was made by the internal API, by whom and from where. Requests that
// read, and requests of services that publish or send responses, have no entry. Pure. Called by admin-api.ts;
// audit-log.ts writes.
import { toHex } from '../../core/bytes.ts'

export interface AuditEntry {
  /**
   * Method and path below the prefix, such as `DELETE /v3/connections`; for service bindings, the name of the RPC
   * method.
   */
  readonly action: string
  /** Query parameters or arguments that name what was changed. Contains no secrets. */
  readonly target: Readonly<Record<string, unknown>>
  /** Which of the internal tokens, by its fingerprint, or `service binding`. */
  readonly by: string
  /** The caller's IP address; null for service bindings. */
  readonly address: string | null
  /** HTTP status of the answer. */
  readonly status: number
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])
/** POSTs that are not operators' changes: services publish and respond, and `try` and `test` change nothing. */
const NOT_OPERATIONS = /\/(messages|responses|try|routes\/test)$/
const FINGERPRINT_BYTES = 4
/** A connection token is a secret of its client. */
const CONNECTION_TOKEN = /^(\/v3\/connections\/).+$/
/** The query parameters that name what is changed. Others are not logged. */
const NAMED = ['user', 'session', 'field', 'value', 'id', 'target', 'revoke_seconds']

/** The parts of an answer that the entry has. */
interface AuditedAnswer {
  readonly status: number
  readonly location: string | null
  /** What was changed, if path and query do not name it. */
  readonly changed?: Readonly<Record<string, unknown>> | undefined
}

/** Returns the entry for a request, or undefined if the request has no entry. `path` is below the prefix. */
export function toAuditEntry(
  request: Request,
  path: string,
  answer: AuditedAnswer,
  by: string,
): AuditEntry | undefined {
  if (READING.has(request.method) || NOT_OPERATIONS.test(path)) return undefined
  const query = new URL(request.url).searchParams
  const named = NAMED.flatMap((name) => (query.has(name) ? [[name, query.get(name)] as const] : []))
  return {
    action: `${request.method} ${path.replace(CONNECTION_TOKEN, '$1…')}`,
    // Responses to revocations and new definitions name the created resource in `location`.
    target: {
      ...Object.fromEntries(named),
      ...answer.changed,
      ...(answer.location === null ? {} : { made: answer.location }),
    },
    by,
    address: request.headers.get('cf-connecting-ip'),
    status: answer.status,
  }
}

/** Returns 32 bits of the token's hash: enough to distinguish tokens, and too little to recover a random token. */
export async function fingerprintOf(token: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return `token ${toHex(new Uint8Array(hash).subarray(0, FINGERPRINT_BYTES))}`
}
