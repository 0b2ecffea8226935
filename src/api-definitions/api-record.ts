// Merges deployed API definitions with those made at run time. Each isolate merges with the definitions of its own
// deployment, because two deployments run at once during a rollout. Called by the route table and the internal API.
import { isObject } from '../core/json.ts'

export interface ApiRecord {
  readonly id: string
  /** Counts changes at run time; 0 for a definition as deployed. */
  readonly version: number
  readonly document: Readonly<Record<string, unknown>>
  /** Null for a definition as deployed. */
  readonly updatedMs: number | null
}

/** Returns all definitions, also inactive ones, in the order in which their routes are tried. */
export function mergeApis(deployed: readonly unknown[], made: readonly ApiRecord[]): readonly ApiRecord[] {
  const left = new Map(made.map((api) => [api.id, api]))
  const base = deployed.flatMap((document): ApiRecord[] => {
    const id = idOf(document)
    if (id === undefined) return []
    const over = left.get(id)
    left.delete(id)
    return [over ?? { id, version: 0, document: document as ApiRecord['document'], updatedMs: null }]
  })
  return [...base, ...left.values()]
}

/** The fields that RIG adds to a listed definition. They are removed from definitions that come back by PUT or POST. */
const META_FIELDS = new Set(['node_name', 'phx_ref', 'ref_number', 'timestamp'])

/** Returns a definition as RIG lists it: with defaults and metadata. The short format has no `auth` and `auth_type`. */
export function toListed({ document, updatedMs, version }: ApiRecord): Readonly<Record<string, unknown>> {
  const auth = { use_header: false, header_name: '', use_query: false, query_name: '' }
  const defaults = 'routes' in document ? { active: true } : { active: true, auth, auth_type: 'none' }
  const timestamp = updatedMs === null ? null : new Date(updatedMs).toISOString()
  return { ...defaults, ...document, ref_number: version, timestamp }
}

export function withoutMeta(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !META_FIELDS.has(name)))
}

export function idOf(document: unknown): string | undefined {
  const id = isObject(document) ? document['id'] : undefined
  return typeof id === 'string' ? id : undefined
}
