// A Map from a key to a Set of values, as indexes need it. Pure.

/** Adds the value to the set of the key. Returns the function that takes it out again, and the set with its last value. */
export function addToSet<K, V>(sets: Map<K, Set<V>>, key: K, value: V): () => void {
  const set = sets.get(key) ?? new Set<V>()
  sets.set(key, set.add(value))
  return () => removeFromSet(sets, key, value)
}

/** Takes the value out of the set of the key, and the set out of the map when it was the last value. */
export function removeFromSet<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key)
  set?.delete(value)
  if (set?.size === 0) sets.delete(key)
}
