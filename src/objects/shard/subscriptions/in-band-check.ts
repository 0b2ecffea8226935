// SUBSCRIPTION_CHECK for subscriptions that come on an open connection: frames of rigel.v1, and joins of Phoenix channels. A
// service is asked as by PUT, with the token that the connection keeps: in memory, or in the attachment of its socket.
import type { Authorizer } from '../../../auth/external-authorizer.ts'
import type { Check } from '../../../config/auth.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, type Result } from '../../../core/result.ts'
import { stringifyScalars } from '../../../core/scalar.ts'
import { SerialQueue } from '../../../core/serial-queue.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'

/** Changes of one connection that wait for the service. The answer to one may take CHECK_TIMEOUT_MS. */
const MAX_WAITING = 10

const NOT_KEPT: RigelError = {
  kind: 'bad_request',
  message:
    'A service checks subscriptions here, and this token is too long for an open connection to keep: subscribe as you connect, or by PUT.',
}

/** Returns why the check refuses clients without a token, or undefined. A service decides by itself. */
export function refusalWithoutToken(check: Check, hasToken: boolean): RigelError | undefined {
  return check === 'jwt_validation' && !hasToken ? { kind: 'subscription_denied' } : undefined
}

interface Turns {
  readonly queue: SerialQueue
  waiting: number
}

export class InBandCheck {
  readonly #url: string | undefined
  readonly #ask: Authorizer
  readonly #turns = new WeakMap<object, Turns>()

  constructor(check: Check, ask: Authorizer) {
    this.#url = typeof check === 'object' ? check.url : undefined
    this.#ask = ask
  }

  /**
   * Resolves to why the service refuses the subscriptions, or to undefined, also if there is no service. `authorization`: see
   * `keptAuthorization`.
   */
  async refusalOf(
    subscriptions: readonly Subscription[],
    authorization: string | null | undefined,
  ): Promise<RigelError | undefined> {
    if (this.#url === undefined) return undefined
    if (authorization === undefined) return NOT_KEPT
    const body = stringifyScalars({ subscriptions })
    const isAllowed = await this.#ask(this.#url, { contentType: 'application/json', authorization, body })
    return isAllowed ? undefined : { kind: 'subscription_denied' }
  }

  /**
   * Runs changes of one connection in the order in which they came, if there is a service, whose answers may take different times.
   * A change is refused while MAX_WAITING others wait.
   */
  async inTurn<T>(connection: object, change: () => Promise<Result<T, RigelError>>): Promise<Result<T, RigelError>> {
    if (this.#url === undefined) return change()
    const turns = this.#turns.get(connection) ?? { queue: new SerialQueue(), waiting: 0 }
    if (turns.waiting >= MAX_WAITING) return fail({ kind: 'rate_limited' })
    this.#turns.set(connection, turns)
    turns.waiting += 1
    try {
      return await turns.queue.run(change)
    } finally {
      turns.waiting -= 1
    }
  }
}
