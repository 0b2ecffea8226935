// Generates the text of the module with `Events` and `Filters` from the configuration, or returns all problems.
// scripts/rigel-types.ts passes functions that read files and the registry.
import type { Extractors } from '../core/events/extractors.ts'
import { isPattern } from '../core/events/event-type-pattern.ts'
import { fail, ok, type Result } from '../core/result.ts'
import type { EventSchema } from './event-schemas.ts'
import { filterFields } from './filter-fields.ts'
import { printTypescript } from './print-typescript.ts'
import type { SchemaShape } from './shape.ts'

export interface TypeSources {
  readonly extractors: Extractors
  /** If a type is there twice, the later one counts. */
  readonly events: readonly EventSchema[]
  /** Reads a file or a subject. The reason of a failure says what is wrong with it. */
  readonly load: (from: NonNullable<EventSchema['from']>) => Promise<Result<SchemaShape, string>>
}

export async function generateTypes(sources: TypeSources): Promise<Result<string, readonly string[]>> {
  const schemas = new Map<string, SchemaShape | null>()
  const problems: string[] = []
  for (const { from, type } of new Map(sources.events.map((event) => [event.type, event])).values()) {
    const loaded = from === null ? ok(null) : await sources.load(from)
    if (loaded.ok) schemas.set(type, loaded.value)
    else problems.push(`${type}: ${from?.kind} ${from?.name}: ${loaded.reason}`)
  }
  // A type that only EXTRACTORS name has data of an unknown shape.
  for (const type of sources.extractors.keys()) {
    if (!isPattern(type) && !schemas.has(type)) schemas.set(type, null)
  }
  const inOrder = new Map([...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const filters = filterFields(sources.extractors, inOrder)
  problems.push(...filters.problems)
  return problems.length > 0 ? fail(problems) : ok(printTypescript({ schemas: inOrder, filters: filters.byType }))
}
