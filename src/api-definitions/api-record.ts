// Merges deployed API definitions with those made at run time. Each isolate merges with the definitions of its own
// deployment, because two deployments run at once during a rollout. Called by the route table and the internal API.

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

export function idOf(document: unknown): string | undefined {
  const id = typeof document === 'object' && document !== null && 'id' in document ? document.id : undefined
  return typeof id === 'string' ? id : undefined
}
