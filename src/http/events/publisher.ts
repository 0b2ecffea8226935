// Identifies and authorizes a publisher: by its token, SUBMISSION_CHECK as a service, and the publisher's budget. Used by
// post-events.ts for clients and for connectors.
import type { Config } from '../../config/parse-config.ts'
import type { RigelError } from '../../core/errors.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { Principal } from '../../core/identity/principal.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { TypeGrant } from '../../core/rules/type-grant.ts'
import { grantFor } from '../connections/authorize-connection.ts'
import { addressPayer } from '../request/client-key.ts'
import { bearerTokens } from '../request/token-source.ts'
import type { HandlerContext } from '../worker-context.ts'

export interface Publisher {
  /** Empty: no token was verified, because neither SUBMISSION_CHECK nor a rule asks for one, or because none came. */
  readonly name: string
  /** What its token permits by rules per event type. */
  readonly grant: TypeGrant | undefined
}

/**
 * Returns the publisher. Only a bearer header is accepted: with a cookie, any page that the user visits could publish in the
 * user's name.
 */
export function verifyPublisher(
  c: HandlerContext,
): Result<Publisher, RigelError> | Promise<Result<Publisher, RigelError>> {
  const config = c.get('config')
  const needsToken = config.submissionCheck === 'jwt_validation'
  // Rules may let clients publish by their token although SUBMISSION_CHECK demands none.
  if (!needsToken && config.typeRules?.hasPublishing !== true) return ok({ name: '', grant: undefined })
  return verifyTokens(c, config, needsToken)
}

async function verifyTokens(
  c: HandlerContext,
  config: Config,
  needsToken: boolean,
): Promise<Result<Publisher, RigelError>> {
  for (const token of bearerTokens(c.req.raw)) {
    const verified = await c.get('verifyToken')(token)
    if (verified.ok) {
      const grant = grantFor(config, [verified.value])
      return grant.ok ? ok({ name: nameOf(verified.value.principal), grant: grant.value }) : grant
    }
    // The keys or a registry are out of reach for the moment: the token may be valid.
    if (verified.reason.kind === 'unavailable') return verified
  }
  return needsToken ? fail({ kind: 'submission_denied' }) : ok({ name: '', grant: undefined })
}

function nameOf({ user, session }: Principal): string {
  return user === null ? `session ${session ?? ''}` : `user ${user}`
}

/**
 * Checks SUBMISSION_CHECK, the budget of the publisher, and the rules of the types. Returns the events as they are to be
 * published.
 */
export function admit(
  c: HandlerContext,
  { grant, name }: Publisher,
  events: readonly CloudEvent[],
  isBatch: boolean,
): Admitted | Promise<Admitted> {
  let bytes = 0
  for (const { json } of events) bytes += json.length
  const payer = name || addressPayer(c.req.raw)
  if (!c.get('publishBudget').spend(payer, events.length, bytes, Date.now())) return fail({ kind: 'rate_limited' })
  const byRules = () => c.get('publishRules').admit(events, grant, payer)
  const { submissionCheck } = c.get('config')
  if (typeof submissionCheck === 'string') return byRules()
  return isSubmissionAllowed(c, submissionCheck.url, events, isBatch).then((isAllowed) =>
    isAllowed ? byRules() : fail({ kind: 'submission_denied' }),
  )
}

export type Admitted = Result<readonly CloudEvent[], RigelError>

/** Whether a service (SUBMISSION_CHECK) or rules decide about events: then these are read by `toCheckedEvent`. */
export function isChecked({ submissionCheck, typeRules }: Config): boolean {
  return typeof submissionCheck === 'object' || typeRules?.hasPublishing === true
}

/** The service gets the event as structured JSON, a batch as an array. */
function isSubmissionAllowed(
  c: HandlerContext,
  url: string,
  events: readonly CloudEvent[],
  isBatch: boolean,
): Promise<boolean> {
  const texts = events.map(({ json }) => json)
  return c.get('askService')(url, {
    contentType: 'application/json',
    authorization: c.req.header('authorization') ?? null,
    body: isBatch ? `[${texts.join(',')}]` : (texts[0] ?? ''),
  })
}
