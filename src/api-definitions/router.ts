// Finds the route of a request. A trie of segments finds the few candidates, however many routes there are; the first of
// them in the order of definition wins. Also finds routes that could never win. Called by the proxy's route table.
import { matchesPattern, rewritePath, type PathPattern, type Segment } from './path-pattern.ts'
import { hasHiddenDotSegments, readingsOf, toRequestPath, type RequestPath } from './request-path.ts'
import type { ApiDefinition, Problem, Route } from './api-route.ts'

export interface RouteQuery {
  readonly method: string
  readonly path: RequestPath
  /** The header `accept-version`. */
  readonly version: string | null
}

export interface RouteMatch {
  readonly route: Route
  /** The path of the request to the service, percent-encoded; without a rewrite, the client's own spelling. */
  readonly path: string
}

interface RankedRoute {
  readonly rank: number
  readonly route: Route
  /** The route's requirements of a token, as text; null if it is open. */
  readonly rights: string | null
}

interface TrieNode {
  readonly literals: Map<string, TrieNode>
  any: TrieNode | undefined
  /** Routes whose shape ends here. */
  readonly ends: RankedRoute[]
  /** Routes whose shape goes on with anything. */
  readonly rests: RankedRoute[]
}

export class Router {
  readonly #root = createNode()
  /** If all routes require the same, no reading of a path needs more rights. */
  readonly #rights = new Set<string>()

  /** In the order in which they are tried. */
  readonly routes: readonly Route[]

  constructor(definitions: readonly ApiDefinition[]) {
    this.routes = definitions.flatMap(({ routes }) => routes)
    for (const [rank, route] of this.routes.entries()) {
      const rights = rightsOf(route)
      if (rights !== null) this.#rights.add(rights)
      insert(this.#root, { rank, route, rights })
    }
  }

  /** A route for GET matches HEAD too, unless one for HEAD does. */
  find(query: RouteQuery): RouteMatch | undefined {
    const found = this.#first(query, query.path, false)
    return found && { route: found.route, path: rewritePath(found.route.pattern, query.path) }
  }

  /**
   * Returns whether the service may read the path in a way that needs more rights than the match: `//admin` matches a route for
   * everything, and a service that merges slashes would answer it as `/admin`. Also true if a reading leaves the route by
   * `..`, because no route gives a right to that.
   */
  isAmbiguous(query: RouteQuery, { path, route }: RouteMatch): boolean {
    const readings = readingsOf(query.path)
    if (readings === undefined || (readings.length > 1 && hasHiddenDotSegments(readings))) return true
    if (route.pattern.replacement !== null && leavesByDots(path)) return true
    const own = rightsOf(route)
    if (this.#rights.size === 0 || (this.#rights.size === 1 && own !== null)) return false
    // Each reading is judged by the route that it would match, with and without regard to case.
    return readings.some((reading) =>
      [false, true].some((ignoreCase) => {
        const meant = this.#first(query, reading, ignoreCase)
        return meant !== undefined && meant.route !== route && meant.rights !== null && meant.rights !== own
      }),
    )
  }

  /** Returns all routes that match the path, for any method: an OPTIONS request may be a preflight of them. */
  routesAt(path: RequestPath): readonly Route[] {
    const found: RankedRoute[] = []
    collectBelow(this.#root, 0, path.folded, found)
    return found
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ route }) => route)
      .filter(({ pattern }) => matchesPattern(pattern, path))
  }

  #first({ method, version }: RouteQuery, path: RequestPath, ignoreCase: boolean): RankedRoute | undefined {
    // Methods are case-sensitive, but a service may ignore case: `patch` must not bypass a route for PATCH.
    const wanted = { method: method.toUpperCase(), version, path, ignoreCase }
    const found = firstBelow(this.#root, 0, wanted, undefined)
    // `*` is no route for HEAD itself: one for GET may come before it.
    if (wanted.method !== 'HEAD' || (found !== undefined && found.route.method !== '*')) return found
    return firstBelow(this.#root, 0, { ...wanted, method: 'GET' }, undefined)
  }
}

interface Wanted extends RouteQuery {
  readonly ignoreCase: boolean
}

/**
 * Returns the first route in the order of definition that matches, among those below a node and `best`. Makes no lists: a request's
 * garbage is what V8 stops others for. At most two branches are followed at each segment.
 */
function firstBelow(
  { any, ends, literals, rests }: TrieNode,
  depth: number,
  wanted: Wanted,
  best: RankedRoute | undefined,
): RankedRoute | undefined {
  const { folded } = wanted.path
  const found = firstOf(rests, wanted, best)
  if (depth === folded.length) return firstOf(ends, wanted, found)
  // An engine stores each text by which a Map is asked, so names of resources are not looked up in vain.
  const literal = literals.size === 0 ? undefined : literals.get(folded[depth] ?? '')
  const byLiteral = literal === undefined ? found : firstBelow(literal, depth + 1, wanted, found)
  return any === undefined ? byLiteral : firstBelow(any, depth + 1, wanted, byLiteral)
}

/** `routes` are in the order of definition. */
function firstOf(
  routes: readonly RankedRoute[],
  { ignoreCase, method, path, version }: Wanted,
  best: RankedRoute | undefined,
): RankedRoute | undefined {
  for (const ranked of routes) {
    if (best !== undefined && best.rank < ranked.rank) return best
    if (accepts(ranked.route, method, version) && matchesPattern(ranked.route.pattern, path, ignoreCase)) return ranked
  }
  return best
}

/** Returns the routes that can never win because an earlier one matches all of their paths, as problems by definition id. */
export function findShadowed(definitions: readonly ApiDefinition[]): readonly Problem[] {
  const root = createNode()
  const problems: Problem[] = []
  for (const [rank, route] of definitions.flatMap(({ routes }) => routes).entries()) {
    const covering = coversOf(root, route.pattern.shape).find(({ route: earlier }) => covers(earlier, route))
    if (covering !== undefined) {
      const by = `${covering.route.api}/${covering.route.id}`
      const message = `is never reached: ${by} (${covering.route.method} ${covering.route.pattern.source}) comes first`
      problems.push({ where: `${route.api}/${route.id}`, field: 'path', message })
    }
    insert(root, { rank, route, rights: null })
  }
  return problems
}

function covers(earlier: Route, later: Route): boolean {
  const takesMethod = earlier.method === '*' || earlier.method === later.method
  const takesVersion = earlier.version === null || earlier.version === later.version
  const [a, b] = [earlier.pattern, later.pattern]
  const isSame = a.isCaseless === b.isCaseless && a.source === b.source
  return takesMethod && takesVersion && (isSame || (a.expression === null && takesRest(a, b) && takesCase(a, b)))
}

/** `/a/.+` does not match `/a/`. */
function takesRest(earlier: PathPattern, later: PathPattern): boolean {
  if (!earlier.needsRest) return true
  const there = later.shape.slice(earlier.shape.length - 1)
  if (there[0] === 'rest') return later.needsRest
  return there.length > 1 || typeof there[0] !== 'object' || there[0].literal !== ''
}

/** The index has no case: where it matters, the literals are compared. */
function takesCase(earlier: PathPattern, later: PathPattern): boolean {
  if (earlier.isCaseless) return true
  return earlier.shape.every((segment, index) => {
    if (typeof segment === 'string' || !/[a-z]/i.test(segment.literal)) return true
    const other = later.shape[index]
    return !later.isCaseless && typeof other === 'object' && other.literal === segment.literal
  })
}

function createNode(): TrieNode {
  return { literals: new Map(), any: undefined, ends: [], rests: [] }
}

function insert(root: TrieNode, ranked: RankedRoute): void {
  let node = root
  for (const segment of ranked.route.pattern.shape) {
    if (segment === 'rest') {
      node.rests.push(ranked)
      return
    }
    node = childFor(node, segment)
  }
  node.ends.push(ranked)
}

function childFor(node: TrieNode, segment: Exclude<Segment, 'rest'>): TrieNode {
  if (segment === 'any') return (node.any ??= createNode())
  const known = node.literals.get(segment.folded) ?? createNode()
  node.literals.set(segment.folded, known)
  return known
}

/** Adds the routes below a node whose shape matches the rest of a path, of any method, in no order. */
function collectBelow(
  node: TrieNode | undefined,
  depth: number,
  folded: readonly string[],
  found: RankedRoute[],
): void {
  if (node === undefined) return
  found.push(...node.rests)
  if (depth === folded.length) {
    found.push(...node.ends)
    return
  }
  collectBelow(node.literals.get(folded[depth] ?? ''), depth + 1, folded, found)
  collectBelow(node.any, depth + 1, folded, found)
}

/** Returns the routes whose shape matches every path that this shape matches. */
function coversOf(root: TrieNode, shape: readonly Segment[]): readonly RankedRoute[] {
  const found: RankedRoute[] = []
  let nodes: readonly TrieNode[] = [root]
  for (const segment of shape) {
    for (const node of nodes) found.push(...node.rests)
    if (segment === 'rest') return found
    nodes = nodes.flatMap((node) => {
      const literal = segment === 'any' ? undefined : node.literals.get(segment.folded)
      return [...(literal === undefined ? [] : [literal]), ...(node.any === undefined ? [] : [node.any])]
    })
  }
  return [...found, ...nodes.flatMap(({ ends }) => ends)]
}

function accepts(route: Route, method: string, version: string | null): boolean {
  return (route.method === '*' || route.method === method) && (route.version === null || route.version === version)
}

function rightsOf({ authentication }: Route): string | null {
  return authentication === null ? null : JSON.stringify(authentication)
}

function leavesByDots(path: string): boolean {
  const readings = readingsOf(toRequestPath(path))
  return readings === undefined || hasHiddenDotSegments(readings)
}
