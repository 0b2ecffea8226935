// Identifies and authorizes a publisher: by its token, SUBMISSION_CHECK as a service, and the publisher's budget. Used by
// post-events.ts for clients and for connectors. It reads variables by `c.get`: each `c.var` makes an object of all of them.
import type { Context } from 'hono'
import type { Config } from '../../config/parse-config.ts'
import type { RigelError } from '../../core/errors.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { Principal } from '../../core/identity/principal.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { bearerTokens } from '../token-source.ts'
import type { HttpEnv } from '../worker-context.ts'

/**
 * Returns the publisher, or an empty text if no token is verified (SUBMISSION_CHECK is NO_CHECK or a service). Only a bearer
 * header is accepted: with a cookie, any page that the user visits could publish in the user's name.
 */
export async function verifyPublisher(c: Context<HttpEnv>): Promise<Result<string, RigelError>> {
  if (c.get('config').submissionCheck !== 'jwt_validation') return ok('')
  for (const token of bearerTokens(c.req.raw)) {
    const verified = await c.get('verifyToken')(token)
    if (verified.ok) return ok(nameOf(verified.value.principal))
    // The keys or a registry are out of reach for the moment: the token may be valid.
    if (verified.reason.kind === 'unavailable') return verified
  }
  return fail({ kind: 'submission_denied' })
}

function nameOf({ user, session }: Principal): string {
  return user === null ? `session ${session ?? ''}` : `user ${user}`
}

/** Checks SUBMISSION_CHECK and the budget of the publisher; returns why the events may not be published. */
export async function refusalOf(
  c: Context<HttpEnv>,
  publisher: string,
  events: readonly CloudEvent[],
  isBatch: boolean,
): Promise<RigelError | undefined> {
  const bytes = events.reduce((sum, { json }) => sum + json.length, 0)
  const payer = publisher || `address ${c.req.header('cf-connecting-ip') ?? ''}`
  if (!c.get('publishBudget').spend(payer, events.length, bytes, Date.now())) return { kind: 'rate_limited' }
  return (await isSubmissionAllowed(c, events, isBatch)) ? undefined : { kind: 'submission_denied' }
}

/** Whether SUBMISSION_CHECK is a service: then events are read by `toCheckedEvent`, and it is asked about what is published. */
export function isCheckedByService({ submissionCheck }: Config): boolean {
  return typeof submissionCheck === 'object'
}

/** The service gets the event as structured JSON, a batch as an array. */
async function isSubmissionAllowed(
  c: Context<HttpEnv>,
  events: readonly CloudEvent[],
  isBatch: boolean,
): Promise<boolean> {
  const { submissionCheck } = c.get('config')
  if (typeof submissionCheck === 'string') return true
  const texts = events.map(({ json }) => json)
  return c.var.askService(submissionCheck.url, {
    contentType: 'application/json',
    authorization: c.req.header('authorization') ?? null,
    body: isBatch ? `[${texts.join(',')}]` : (texts[0] ?? ''),
  })
}
