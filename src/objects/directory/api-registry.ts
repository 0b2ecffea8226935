// The rules of changing API definitions: a definition made at run time replaces the one of the same id that is deployed with
// the Worker. A change is refused if the definition would be invalid, or a route of any definition could never match. Others that are
// invalid already, and not served, do not matter. api-store.ts stores them.
import { idOf, mergeApis, type ApiRecord } from '../../api-definitions/api-record.ts'
import { isInactive, parseDefinitions } from '../../api-definitions/parse-definitions.ts'
import type { Problem, DefinitionEnv } from '../../api-definitions/api-route.ts'
import type { ApiStore } from './api-store.ts'

export type ApiChange =
  | { readonly kind: 'done'; readonly version: number }
  | { readonly kind: 'exists' }
  | { readonly kind: 'missing' }
  /** The definition has another version than the one that the change was made for. */
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

  /** As in RIG, `fields` replace the top-level fields of the same names. */
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

  /** Refuses a definition that is malformed, or with which one of its routes or of another definition's can never match. */
  #change(document: Document, nowMs: number): ApiChange {
    const id = idOf(document)
    const records = this.#records()
    const isNew = !records.some((record) => record.id === id)
    const documents: unknown[] = records.map((record) => (record.id === id ? document : record.document))
    const parsed = parseDefinitions(isNew ? [...documents, document] : documents, this.#definitionEnv, false, id)
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
