// SUBSCRIPTION_CHECK for subscriptions that come on an open connection. Pure. Used by rigel.v1 and by Phoenix channels.
import type { Check } from '../../../config/auth.ts'
import type { RigelError } from '../../../core/errors.ts'

/**
 * Applies SUBSCRIPTION_CHECK to subscriptions that come on an open connection. Returns why it refuses them, or undefined. A
 * service decides by the token, which a connection does not keep.
 */
export function inBandRefusal(check: Check, hasToken: boolean): RigelError | undefined {
  if (check === 'no_check') return undefined
  if (check === 'jwt_validation') return hasToken ? undefined : { kind: 'subscription_denied' }
  const message =
    'A service checks subscriptions here, by the token: subscribe by SSE, WebSocket or long-polling as you connect, or by PUT.'
  return { kind: 'bad_request', message }
}
