// Who calls whom when there are more shards than one invocation may call: at most `FAN_OUT` calls, each to a shard that
// answers for its share, and shares it out once more if it must. Depth is logarithmic: 64² shards by one level of relays.

/**
 * Calls an invocation makes to shards for one stage of a batch, or one question. Below it nothing is relayed. An invocation
 * may make 1,000, of which some six wait at once: more would take longer here than by way of a relay.
 */
export const FAN_OUT = 64

/** In order, as even as can be; each a single one while there are no more than `most`. */
export function partitionEvenly<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  const count = Math.min(most, all.length)
  const start = (share: number) => Math.floor((share * all.length) / count)
  return Array.from({ length: count }, (_, share) => all.slice(start(share), start(share + 1)))
}
