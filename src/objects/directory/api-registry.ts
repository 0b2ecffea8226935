// The rules of changing API definitions: what is deployed with the Worker is the base, what was made at run time stands
// over it, and no change is taken that would break the whole. Storage is api-store.ts's.
import { idOf, mergeApis, type ApiRecord } from '../../api-definitions/api-record.ts'
import { isInactive, parseDefinitions } from '../../api-definitions/parse-definitions.ts'
import type { Problem, DefinitionEnv } from '../../api-definitions/api-route.ts'
import type { ApiStore } from './api-store.ts'

export type ApiChange =
  | { readonly kind: 'done'; readonly version: number }
  | { readonly kind: 'exists' }
  | { readonly kind: 'missing' }
  /** It is no longer the version that the change was made for. */
  | { readonly kind: 'changed'; readonly version: number }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }

type Document = Readonly<Record<string, unknown>>

export class ApiRegistry {
  readonly #store: ApiStore
  readonly #deployed: readonly unknown[]
  readonly #definitionEnv: DefinitionEnv

  constructor(store: ApiStore, deployed: readonly unknown[], definitionEnv: DefinitionEnv) {
    this.#store = store
    this.#deployed = deployed
    this.#definitionEnv = definitionEnv
  }

  create(document: Document, nowMs: number): ApiChange {
    const known = this.#find(idOf(document) ?? '')
    if (known !== undefined && !isInactive(known.document)) return { kind: 'exists' }
    return this.#change(document, nowMs)
  }

  /** As RIG, what is given replaces the fields of the same name at the top. */
  update(id: string, fields: Document, expected: number | null, nowMs: number): ApiChange {
    const known = this.#active(id, expected)
    return 'kind' in known ? known : this.#change({ ...known.document, ...fields, id }, nowMs)
  }

  remove(id: string, expected: number | null, nowMs: number): ApiChange {
    const known = this.#active(id, expected)
    if ('kind' in known) return known
    this.#store.put(id, { ...known.document, active: false }, nowMs)
    return { kind: 'done', version: known.version + 1 }
  }

  #active(id: string, expected: number | null): ApiRecord | ApiChange {
    const known = this.#find(id)
    if (known === undefined || isInactive(known.document)) return { kind: 'missing' }
    return expected === null || expected === known.version ? known : { kind: 'changed', version: known.version }
  }

  /** Judged among all others: whether it is well-formed, and whether its routes, and theirs, can still be reached. */
  #change(document: Document, nowMs: number): ApiChange {
    const id = idOf(document)
    const records = this.#records()
    const isNew = !records.some((record) => record.id === id)
    const documents: unknown[] = records.map((record) => (record.id === id ? document : record.document))
    const parsed = parseDefinitions(isNew ? [...documents, document] : documents, this.#definitionEnv)
    if (!parsed.ok) return { kind: 'invalid', problems: parsed.reason }
    if (id === undefined)
      return { kind: 'invalid', problems: [{ where: 'api', field: 'id', message: 'must be present' }] }
    this.#store.put(id, document, nowMs)
    return { kind: 'done', version: this.#find(id)?.version ?? 0 }
  }

  #records(): readonly ApiRecord[] {
    return mergeApis(this.#deployed, this.#store.all())
  }

  #find(id: string): ApiRecord | undefined {
    return this.#records().find((record) => record.id === id)
  }
}
