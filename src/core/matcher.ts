// The live index: event → the connections it concerns, without asking each connection. By connection id, by user, by
// type; constrained subscriptions by the value of one of their fields, so that the work grows with the number of
// matches and not with the number of subscriptions, to this type or to others.
import type { Scalar, StoredEvent } from './event.ts'
import { meets, type Filter } from './filter.ts'
import type { Constraint } from './subscription.ts'

interface Entry<C> {
  readonly connection: C
  readonly constraint: Constraint
}

interface TypeIndex<C> {
  readonly unconstrained: Set<C>
  /** Field → value → the constraints that are looked up by it: each constraint stands under one of its members. */
  readonly byField: Map<string, Map<Scalar, Set<Entry<C>>>>
}

export interface Matchable {
  readonly filter: Filter
}

export class Matcher<C extends Matchable> {
  readonly #byId = new Map<string, C>()
  readonly #byUser = new Map<string, Set<C>>()
  readonly #byType = new Map<string, TypeIndex<C>>()
  /** What `remove` has to take out again: exactly what `add` put in, whatever became of the filter since. */
  readonly #undo = new Map<C, (() => void)[]>()

  get(connectionId: string): C | undefined {
    return this.#byId.get(connectionId)
  }

  connections(): MapIterator<C> {
    return this.#byId.values()
  }

  get size(): number {
    return this.#byId.size
  }

  hasType(type: string): boolean {
    return this.#byType.has(type)
  }

  hasUser(user: string): boolean {
    return this.#byUser.has(user)
  }

  add(connection: C): void {
    const { connectionId, user, watched, byType } = connection.filter
    const undo: (() => void)[] = []
    this.#byId.set(connectionId, connection)
    undo.push(() => this.#byId.delete(connectionId))
    const users = user === null ? watched : [user, ...watched]
    for (const one of users) undo.push(addTo(this.#byUser, one, connection))
    for (const [type, constraints] of byType) undo.push(this.#subscribe(connection, type, constraints))
    this.#undo.set(connection, undo)
  }

  remove(connection: C): void {
    for (const undo of this.#undo.get(connection) ?? []) undo()
    this.#undo.delete(connection)
  }

  /** Each connection at most once. The set is to be read before anything is added or removed. */
  match(event: StoredEvent): ReadonlySet<C> {
    if (event.connectionId !== null) return setOf(this.#byId.get(event.connectionId))
    if (event.recipients !== null) return this.#ofUsers(event.recipients)
    const index = this.#byType.get(event.type)
    if (index === undefined) return setOf<C>(undefined)
    if (index.byField.size === 0) return index.unconstrained
    return constrained(index, event)
  }

  #ofUsers(users: readonly string[]): ReadonlySet<C> {
    const [only] = users
    if (users.length === 1 && only !== undefined) return this.#byUser.get(only) ?? new Set()
    return new Set(users.flatMap((user) => [...(this.#byUser.get(user) ?? [])]))
  }

  #subscribe(connection: C, type: string, constraints: readonly Constraint[]): () => void {
    const index: TypeIndex<C> = this.#byType.get(type) ?? { unconstrained: new Set(), byField: new Map() }
    this.#byType.set(type, index)
    const undo = constraints.length === 0 ? [addUnconstrained(index, connection)] : []
    for (const constraint of constraints) undo.push(addConstraint(index, { connection, constraint }))
    return () => {
      for (const step of undo) step()
      if (index.unconstrained.size === 0 && index.byField.size === 0) this.#byType.delete(type)
    }
  }
}

function constrained<C>(index: TypeIndex<C>, event: StoredEvent): ReadonlySet<C> {
  const matched = new Set(index.unconstrained)
  for (const [field, byValue] of index.byField) {
    const value = event.fields[field]
    if (value === undefined) continue
    for (const { connection, constraint } of byValue.get(value) ?? []) {
      if (!matched.has(connection) && meets(event.fields, constraint)) matched.add(connection)
    }
  }
  return matched
}

function addUnconstrained<C>(index: TypeIndex<C>, connection: C): () => void {
  index.unconstrained.add(connection)
  return () => index.unconstrained.delete(connection)
}

function addConstraint<C>(index: TypeIndex<C>, entry: Entry<C>): () => void {
  const member = Object.entries(entry.constraint).find(([, wanted]) => wanted !== null)
  // Nothing but wildcards: no different from no constraint.
  if (member === undefined) return addUnconstrained(index, entry.connection)
  const [field, value] = member
  const byValue = index.byField.get(field) ?? new Map<Scalar, Set<Entry<C>>>()
  index.byField.set(field, byValue)
  const remove = addTo(byValue, value, entry)
  return () => {
    remove()
    if (byValue.size === 0) index.byField.delete(field)
  }
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): () => void {
  const set = sets.get(key) ?? new Set<V>()
  sets.set(key, set)
  set.add(value)
  return () => {
    set.delete(value)
    if (set.size === 0) sets.delete(key)
  }
}

function setOf<C>(value: C | undefined): ReadonlySet<C> {
  return value === undefined ? new Set() : new Set([value])
}
