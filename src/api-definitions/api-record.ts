// The API definitions there are: those that are deployed with the Worker, and over them what was made at run time. Merged
// by whoever asks, each with the definitions of its own deployment: while one is rolled out, two are there at once.

export interface ApiRecord {
  readonly id: string
  /** 0: as deployed. */
  readonly version: number
  readonly document: Readonly<Record<string, unknown>>
  /** Null: as deployed. */
  readonly updatedMs: number | null
}

/** All, deactivated ones too, in the order in which their routes are tried. */
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
