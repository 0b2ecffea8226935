// The keys with which a client can repeat a POST of events without storing them twice: from the header Idempotency-Key, or
// from the events' source and id (`?dedupe=id`). Used by post-events.ts. Connectors push instead, which needs no key.
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { keyOfEvent, keyOfRequest } from '../../publishing/idempotency-key.ts'
import { queryParameter } from '../request/query.ts'

/** Printable ASCII, with or without the quotes that draft-ietf-httpapi-idempotency-key-header asks for. */
const KEY = /^"?([\x20\x21\x23-\x7e]{1,255})"?$/

type Keys = Result<readonly string[] | null, RigelError>

/** Returns a key for each event, or null if the request uses neither. */
export function idempotencyKeysOf(
  request: Request,
  publisher: string,
  events: readonly CloudEvent[],
): Keys | Promise<Keys> {
  const header = request.headers.get('idempotency-key')
  if (header !== null) {
    const key = KEY.exec(header)?.[1]
    if (key === undefined) return badRequest('Idempotency-Key must be 1 to 255 printable ASCII characters.')
    return Promise.all(events.map(async (_, index) => keyOfRequest(publisher, key, index))).then(ok)
  }
  const dedupe = queryParameter(request.url, 'dedupe')
  if (dedupe === null) return ok(null)
  if (dedupe !== 'id') return badRequest('dedupe must be "id", or left out: ?dedupe=id')
  const sender = { publisher, connector: '', hasUniqueIds: true }
  return Promise.all(events.map(async (event) => keyOfEvent(sender, event))).then(ok)
}

function badRequest(message: string): Result<never, RigelError> {
  return fail({ kind: 'bad_request', message })
}
