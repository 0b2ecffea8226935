// Stubs of Durable Objects: within JURISDICTION, and near the place that a variable names. Every stub is made here, because the
// same name is another object in another jurisdiction.
import { configOf } from '../config/parse-config.ts'

/**
 * Returns the stub of the object with this name. `hint`: where it is created if it does not exist yet; null: near its first
 * caller.
 */
export function objectStub<T extends Rpc.DurableObjectBranded>(
  env: object,
  namespace: DurableObjectNamespace<T>,
  name: string,
  hint: DurableObjectLocationHint | null = null,
): DurableObjectStub<T> {
  const { jurisdiction } = configOf(env).placement
  const within = jurisdiction === null ? namespace : namespace.jurisdiction(jurisdiction)
  return hint === null ? within.getByName(name) : within.getByName(name, { locationHint: hint })
}
