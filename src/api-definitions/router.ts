// Finds the route of a request: an index of segments tells the few that are worth asking, whatever their number, and the
// first of them in the order of definition wins. Also tells routes that could never win.
import { applyPattern, takesAnyCase, type PathPattern, type Segment } from './path-pattern.ts'
import { lenientPaths, plainPath } from './request-path.ts'
import type { ApiDefinition, Problem, Route } from './api-route.ts'

export interface Found {
  readonly route: Route
  /** What the upstream is asked for, percent-encoded. */
  readonly path: string
}

export interface Asked {
  readonly method: string
  readonly path: string
  /** The header `accept-version`. */
  readonly version: string | null
}

interface Ranked {
  readonly rank: number
  readonly route: Route
}

interface Node {
  readonly literals: Map<string, Node>
  any: Node | undefined
  /** Whose shape ends here. */
  readonly ends: Ranked[]
  /** Whose shape goes on with anything. */
  readonly rests: Ranked[]
}

export class Router {
  readonly #root = createNode()

  constructor(definitions: readonly ApiDefinition[]) {
    for (const [rank, route] of definitions.flatMap(({ routes }) => routes).entries())
      insert(this.#root, { rank, route })
  }

  /** HEAD is taken by a route for GET if none is for HEAD. A path that is not rewritten stays as it came. */
  find(asked: Asked): Found | undefined {
    const path = plainPath(asked.path)
    const candidates = candidatesOf(this.#root, segmentsOf(path))
    for (const method of methodsFor(asked.method)) {
      for (const { route } of candidates) {
        if (!takes(route, method, asked.version)) continue
        const replaced = applyPattern(route.pattern, path)
        if (replaced !== undefined) return { route, path: route.pattern.replacement === null ? asked.path : replaced }
      }
    }
    return undefined
  }

  /**
   * A route that asks for more than the one that was found and comes before it, for which a lenient service may take the
   * path: `//admin` gets by `/admin` to a route for everything, and the service would answer as to `/admin`.
   */
  findStricter(asked: Asked, found: Route): Route | undefined {
    for (const path of lenientPaths(plainPath(asked.path))) {
      const first = candidatesOf(this.#root, segmentsOf(path)).find(
        ({ route }) =>
          route === found ||
          (methodsFor(asked.method).some((method) => takes(route, method, asked.version)) &&
            takesAnyCase(route.pattern, path)),
      )
      if (first !== undefined && first.route !== found && isStricter(first.route, found)) return first.route
    }
    return undefined
  }

  /** Whether any route takes the path: an OPTIONS request is then a preflight of it. */
  routesAt(path: string): readonly Route[] {
    const plain = plainPath(path)
    return candidatesOf(this.#root, segmentsOf(plain))
      .filter(({ route }) => applyPattern(route.pattern, plain) !== undefined)
      .map(({ route }) => route)
  }
}

/** Routes that can never win, because one before them takes all that they would. Each definition's problems by its id. */
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
    insert(root, { rank, route })
  }
  return problems
}

function covers(earlier: Route, later: Route): boolean {
  const takesMethod = earlier.method === '*' || earlier.method === later.method
  const takesVersion = earlier.version === null || earlier.version === later.version
  const isSame = earlier.pattern.regex.source === later.pattern.regex.source
  const takesShape = earlier.pattern.isExact && takesRest(earlier.pattern, later.pattern)
  const takesPath = isSame || (takesShape && takesCase(earlier.pattern, later.pattern))
  return takesMethod && takesVersion && takesPath
}

/** `/a/.+` does not take `/a/`. */
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

function createNode(): Node {
  return { literals: new Map(), any: undefined, ends: [], rests: [] }
}

function insert(root: Node, ranked: Ranked): void {
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

function childFor(node: Node, segment: Exclude<Segment, 'rest'>): Node {
  if (segment === 'any') return (node.any ??= createNode())
  const literal = segment.literal.toLowerCase()
  const known = node.literals.get(literal) ?? createNode()
  node.literals.set(literal, known)
  return known
}

function segmentsOf(path: string): readonly string[] {
  return path.slice(1).toLowerCase().split('/')
}

/** In the order of definition. At most two ways at each segment. */
function candidatesOf(root: Node, segments: readonly string[]): readonly Ranked[] {
  const found: Ranked[] = []
  let nodes: readonly Node[] = [root]
  for (const segment of segments) {
    for (const node of nodes) found.push(...node.rests)
    nodes = nodes.flatMap((node) => {
      const literal = node.literals.get(segment)
      return [...(literal === undefined ? [] : [literal]), ...(node.any === undefined ? [] : [node.any])]
    })
  }
  for (const node of nodes) found.push(...node.ends, ...node.rests)
  return found.length < 2 ? found : found.toSorted((a, b) => a.rank - b.rank)
}

/** Whose shape takes whatever has this one. */
function coversOf(root: Node, shape: readonly Segment[]): readonly Ranked[] {
  const found: Ranked[] = []
  let nodes: readonly Node[] = [root]
  for (const segment of shape) {
    for (const node of nodes) found.push(...node.rests)
    if (segment === 'rest') return found
    nodes = nodes.flatMap((node) => {
      const literal = segment === 'any' ? undefined : node.literals.get(segment.literal.toLowerCase())
      return [...(literal === undefined ? [] : [literal]), ...(node.any === undefined ? [] : [node.any])]
    })
  }
  return [...found, ...nodes.flatMap(({ ends }) => ends)]
}

function methodsFor(method: string): readonly string[] {
  return method === 'HEAD' ? ['HEAD', 'GET'] : [method]
}

function takes(route: Route, method: string, version: string | null): boolean {
  return (route.method === '*' || route.method === method) && (route.version === null || route.version === version)
}

function isStricter({ authentication }: Route, than: Route): boolean {
  return authentication !== null && JSON.stringify(authentication) !== JSON.stringify(than.authentication)
}
