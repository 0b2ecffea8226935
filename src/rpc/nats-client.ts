// Stubs of the objects that publish to NATS.
import { objectStub } from './object-stub.ts'

/** Number of NatsClient objects, each with a connection of its own. A caller that needs order awaits each call before the next. */
const CLIENT_COUNT = 4

/** Returns the stub of one NatsClient object. `random` is in [0, 1) and chooses the object. */
export function natsClientStub(env: Env, random: number) {
  return objectStub(env, env.NATS_CLIENT, `client-${Math.floor(random * CLIENT_COUNT)}`)
}
