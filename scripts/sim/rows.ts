// The tables of the simulation, and of the soak: two event types whose keys are the subject and the key of the record. What producers have
// done to each key, who sees a row, and which rows a client has in the end.
import type { TypeGrant } from '../../src/core/rules/type-grant.ts'

/** Event type → how its key is found. */
export const TABLES = { row: { topic: 'rig' }, keyed: { topic: 'rig', key: 'record' } } as const
export type RowType = keyof typeof TABLES
export const ROW_TYPES: readonly RowType[] = ['row', 'keyed']
export const TENANTS = ['a', 'b'] as const

const TENANT = { tenant: { stable_field_index: 0, event: { json_pointer: '/data/tenant' } } }
export const ROW_EXTRACTORS = { row: TENANT, keyed: TENANT }

const RULE = { subscribe: [{ role: 'reader' }, { claim: '/tenant', field: 'tenant' }] }
export const ROW_RULES = { row: RULE, keyed: RULE }

/** What was done to a key: an event, or a tombstone, which has no id. */
export interface RowVersion {
  readonly key: string
  readonly type: RowType
  readonly id: string | null
  readonly number: number
  /** Null: the row is gone. */
  readonly tenant: string | null
  readonly to: string | null
}

/** What decides which rows a client sees. */
export interface RowView {
  readonly user: string
  /** Null: all rows that its rights permit. */
  readonly filter: string | null
  /** Undefined: there are no rules. */
  readonly grant: TypeGrant | undefined
}

/** Three kinds of rights: everything, or the rows of one tenant. */
export const GRANTS: readonly TypeGrant[] = [
  { hasToken: true, roles: ['reader'], scopes: [], claims: {} },
  ...TENANTS.map((tenant) => ({ hasToken: true, roles: [], scopes: [], claims: { '/tenant': tenant } })),
]

/** Returns whether a client gets the event. One that has no data may pass too. */
export function passes({ filter, grant, user }: RowView, { tenant, to }: RowVersion): boolean {
  const isSubscribed = to === null ? filter === null || filter === tenant : to === user
  const isPermitted =
    grant === undefined || grant.roles.includes('reader') || (tenant !== null && grant.claims['/tenant'] === tenant)
  return isSubscribed && isPermitted
}

/** Returns whether a client has the row in its table. */
export function sees(view: RowView, version: RowVersion): boolean {
  return version.tenant !== null && passes(view, version)
}

/** Every version of every row, by key, oldest first. */
export class Rows {
  readonly #byKey = new Map<string, RowVersion[]>()
  readonly #byId = new Map<string, RowVersion>()

  /** Number of changes. */
  count = 0

  add(version: RowVersion): void {
    const { id, key } = version
    this.count += 1
    const versions = this.#byKey.get(key) ?? []
    this.#byKey.set(key, versions)
    versions.push(version)
    if (id !== null) this.#byId.set(id, version)
  }

  keys(): readonly string[] {
    return [...this.#byKey.keys()]
  }

  versionsOf(key: string): readonly RowVersion[] {
    return this.#byKey.get(key) ?? []
  }

  find(id: string): RowVersion | undefined {
    return this.#byId.get(id)
  }

  /** Returns the table of a type as a client with this view must have it when everything has arrived: key → id of the event. */
  tableOf(type: RowType, view: RowView): ReadonlyMap<string, string | null> {
    const newest = [...this.#byKey.values()].flatMap((versions) => versions.at(-1) ?? [])
    const visible = newest.filter((version) => version.type === type && sees(view, version))
    return new Map(visible.map(({ id, key }) => [key, id]))
  }
}
