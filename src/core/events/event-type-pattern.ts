// Event types and patterns of them: `com.github.pull.create` itself, `com.github.*` for all below, `*` for all. A pattern
// ends at a dot, so what may match a type can be looked up, a few keys a type, and need not be searched for.

/** Of a type's dots only so many count: a type of nothing but dots must not be a bomb. */
const MAX_DEPTH = 32

/** What a subscription to this type has to be of to see it: the type, and the patterns that cover it, narrowest first. */
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

export function isPattern(type: string): boolean {
  return type === '*' || type.endsWith('.*')
}

/** Whether every event of `type`, which may be a pattern itself, is one of `pattern`. */
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
