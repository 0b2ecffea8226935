// Event types and patterns of them: `com.github.pull.create` itself, `com.github.*` for all below, `*` for all. A pattern
// ends at a dot, so what may match a type can be looked up, a few keys a type, and need not be searched for.

/** Dots after these do not make patterns, so that a type of nothing but dots costs no more than others. */
const MAX_DEPTH = 32

/** Returns the types that a subscription must name to see events of `type`: the type, and its patterns, narrowest first. */
export function patternsOf(type: string): readonly string[] {
  const patterns = ['*']
  let dot = type.indexOf('.', 1)
  for (let depth = 0; dot > 0 && depth < MAX_DEPTH; depth += 1) {
    patterns.push(`${type.slice(0, dot)}.*`)
    dot = type.indexOf('.', dot + 1)
  }
  patterns.push(type)
  return [...new Set(patterns.toReversed())]
}

/** Returns true for `*` and for a type that ends with `.*`. */
export function isPattern(type: string): boolean {
  return type === '*' || type.endsWith('.*')
}

/** Returns whether `pattern` matches every event of `type`, which may be a pattern itself. */
export function covers(pattern: string, type: string): boolean {
  return patternsOf(type).includes(pattern)
}

/** Longest event type, or pattern of types, that can be subscribed to. Shards keep each in memory and in SQLite. */
const MAX_TYPE_CHARS = 1_024

/** Returns what is wrong with the type of a subscription, or undefined. */
export function patternProblem(type: string): string | undefined {
  if (type.length > MAX_TYPE_CHARS)
    return `event-type has ${type.length} characters, at most ${MAX_TYPE_CHARS} are allowed`
  if (isPattern(type) && type.split('.').length > MAX_DEPTH) return `a pattern has ${MAX_DEPTH} parts at most`
  const body = type === '*' ? '' : type.replace(/\.\*$/, '')
  return body.includes('*') && isPattern(type)
    ? 'a pattern has one star, behind its last dot: "com.github.*"'
    : undefined
}
