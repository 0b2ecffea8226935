// The mark of a position: it says which tables its client has up to there, so that a client that comes back gets only what has
// changed. With other subscriptions or rights the mark is another one, and the client gets whole tables.
import { hash64 } from '../delivery/shard-hash.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { stateTypesOf } from './table-rule.ts'

/** Returns 16 hex digits; undefined: the client wants no table. `rights`: what else decides which rows it sees. */
export function tableMarkOf(subscriptions: readonly Subscription[], rights: readonly string[]): string | undefined {
  if (stateTypesOf(subscriptions).length === 0) return undefined
  const wanted = subscriptions.map((one) => JSON.stringify(one)).toSorted()
  const { high, low } = hash64(JSON.stringify([wanted, rights]))
  return hex(high) + hex(low)
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0')
}
