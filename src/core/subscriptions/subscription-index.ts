// The live index: event → the connections it concerns, without asking each connection. By connection id, by user, by
// type; constrained subscriptions by the value of one of their fields, so that the work grows with the number of
// matches and not with the number of subscriptions, to this type or to others.
import { addToSet, removeFromSet } from '../set-map.ts'
import { isOperators, type Condition } from './constraint.ts'
import { isWithheld } from '../as-of/joins.ts'
import type { StoredEvent } from '../events/stored-event.ts'
import { mayReceive } from '../rules/filter-rights.ts'
import type { TypeRule, TypeRules } from '../rules/type-rules.ts'
import { FieldIndex } from './field-index.ts'
import { matchesConstraint, type Filter } from './filter.ts'
import { replacedRow } from '../tables/row-change.ts'
import type { Constraint } from './subscription.ts'
import { isPattern, patternsOf } from '../events/event-type-pattern.ts'

const NO_RULE: TypeRule = {}

interface Entry<C> {
  readonly connection: C
  readonly constraint: Constraint
}

interface TypeIndex<C> {
  readonly unconstrained: Set<C>
  /** Field → the constraints that are looked up by it: each constraint is indexed by one of its members. */
  readonly byField: Map<string, FieldIndex<Entry<C>>>
}

/** What the index needs of a connection. */
export interface Matchable {
  readonly filter: Filter
}

/**
 * The connections of one shard, found by the events that concern them. A connection whose filter changes must be
 * removed and added again.
 */
export class SubscriptionIndex<C extends Matchable> {
  readonly #rules: TypeRules | null
  /** Connections whose token narrows to some types. Nearly always none. */
  readonly #narrowed = new Set<C>()
  readonly #byId = new Map<string, C>()
  readonly #byUser = new Map<string, Set<C>>()
  readonly #byType = new Map<string, TypeIndex<C>>()
  /** Connections that joined at offsets, and are not sent what their state has. Nearly always none. */
  readonly #joining = new Set<C>()
  /** Connections that get tables. */
  readonly #withTables = new Set<C>()
  /** How many of the keys of `#byType` are patterns. */
  #patterns = 0
  /** The filter with which a connection was added: `remove` takes out what `add` put in, whatever became of the filter since. */
  readonly #added = new Map<C, Filter>()
  /** What takes constrained subscriptions out again. Others need no function each, which would cost more than all else here. */
  readonly #undo = new Map<C, (() => void)[]>()

  /** `rules`: null if there are none. */
  constructor(rules: TypeRules | null = null) {
    this.#rules = rules
  }

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
    const { filter } = connection
    this.#added.set(connection, filter)
    if (filter.joins !== undefined) this.#joining.add(connection)
    if (filter.tables !== undefined) this.#withTables.add(connection)
    if (filter.rights?.grants.some(({ only }) => only !== undefined) === true) this.#narrowed.add(connection)
    this.#byId.set(filter.connectionId, connection)
    for (const user of usersOf(filter)) addToSet(this.#byUser, user, connection)
    for (const [type, constraints] of filter.byType) this.#subscribe(connection, type, constraints)
  }

  remove(connection: C): void {
    const filter = this.#added.get(connection)
    if (filter === undefined) return
    this.#added.delete(connection)
    this.#joining.delete(connection)
    this.#withTables.delete(connection)
    this.#narrowed.delete(connection)
    this.#byId.delete(filter.connectionId)
    for (const user of usersOf(filter)) removeFromSet(this.#byUser, user, connection)
    for (const undo of this.#undo.get(connection) ?? []) undo()
    this.#undo.delete(connection)
    for (const type of filter.byType.keys()) this.#unsubscribe(connection, type)
  }

  /** Connections whose filter has tables. A copy: the caller may replace filters. */
  withTables(): readonly C[] {
    return [...this.#withTables]
  }

  /** Connections whose filter has joins. */
  joining(): ReadonlySet<C> {
    return this.#joining
  }

  /** Returns the connections that the event concerns. Read the set before a connection is added or removed. */
  match(event: StoredEvent): ReadonlySet<C> {
    if (event.replacedBy !== undefined) return this.#matchRemoval(event, event.replacedBy)
    const found = this.#permitted(event, this.#find(event))
    if (this.#joining.size === 0) return found
    const isHeld = (connection: C) => this.#joining.has(connection) && isWithheld(connection.filter.joins ?? [], event)
    return new Set([...found].filter((connection) => !isHeld(connection)))
  }

  /** Connections that get the table, saw the row and do not see it now. Tables that are being sent were read before the event. */
  #matchRemoval(removal: StoredEvent, by: StoredEvent): ReadonlySet<C> {
    const saw = this.#withTables.size === 0 ? [] : this.match(replacedRow(removal, by))
    const sees = this.match(by)
    return new Set(
      [...saw].filter((connection) => connection.filter.tables?.has(by.type) === true && !sees.has(connection)),
    )
  }

  /** The rules of the type are looked up once; without rules for it nothing is done per connection. */
  #permitted(event: StoredEvent, found: ReadonlySet<C>): ReadonlySet<C> {
    if (this.#rules === null && this.#narrowed.size === 0) return found
    const rule = this.#rules?.ruleOf(event.type) ?? NO_RULE
    if ((rule.subscribe === undefined && this.#narrowed.size === 0) || event.connectionId !== null) return found
    const may = ({ filter: { rights } }: C) =>
      rights === undefined ? rule.subscribe === undefined : mayReceive(rights, rule, event)
    return new Set([...found].filter(may))
  }

  #find(event: StoredEvent): ReadonlySet<C> {
    if (event.connectionId !== null) return setOf(this.#byId.get(event.connectionId))
    if (event.recipients !== null) return this.#ofUsers(event.recipients)
    const found = this.#indexesOf(event.type).map((index) => matchType(index, event))
    const [only] = found
    if (found.length <= 1) return only ?? new Set()
    return new Set(found.flatMap((connections) => [...connections]))
  }

  /** Returns the indexes of the type itself and of the subscribed patterns that match it. */
  #indexesOf(type: string): readonly TypeIndex<C>[] {
    const keys = this.#patterns === 0 ? [type] : patternsOf(type)
    return keys.flatMap((key) => this.#byType.get(key) ?? [])
  }

  #ofUsers(users: readonly string[]): ReadonlySet<C> {
    const [only] = users
    if (users.length === 1 && only !== undefined) return this.#byUser.get(only) ?? new Set()
    return new Set(users.flatMap((user) => [...(this.#byUser.get(user) ?? [])]))
  }

  #subscribe(connection: C, type: string, constraints: readonly Constraint[]): void {
    const index = this.#byType.get(type) ?? this.#addType(type)
    if (constraints.length === 0) index.unconstrained.add(connection)
    for (const constraint of constraints) {
      const undo = addConstraint(index, { connection, constraint })
      if (undo !== undefined) this.#undoOf(connection).push(undo)
    }
  }

  #undoOf(connection: C): (() => void)[] {
    const known = this.#undo.get(connection)
    if (known !== undefined) return known
    const undo: (() => void)[] = []
    this.#undo.set(connection, undo)
    return undo
  }

  #unsubscribe(connection: C, type: string): void {
    const index = this.#byType.get(type)
    index?.unconstrained.delete(connection)
    if (index?.unconstrained.size === 0 && index.byField.size === 0) this.#removeType(type)
  }

  #addType(type: string): TypeIndex<C> {
    const index: TypeIndex<C> = { unconstrained: new Set(), byField: new Map() }
    this.#byType.set(type, index)
    if (isPattern(type)) this.#patterns += 1
    return index
  }

  #removeType(type: string): void {
    if (this.#byType.delete(type) && isPattern(type)) this.#patterns -= 1
  }
}

function matchType<C>(index: TypeIndex<C>, event: StoredEvent): ReadonlySet<C> {
  if (index.byField.size === 0) return index.unconstrained
  const matched = new Set(index.unconstrained)
  for (const [field, conditions] of index.byField) {
    const value = event.fields[field]
    if (value === undefined) continue
    for (const { connection, constraint } of conditions.find(value)) {
      if (!matched.has(connection) && matchesConstraint(event.fields, constraint)) matched.add(connection)
    }
  }
  return matched
}

/** Returns what takes the constraint out again, or undefined if it is none. */
function addConstraint<C>(index: TypeIndex<C>, entry: Entry<C>): (() => void) | undefined {
  const member = mostSelective(entry.constraint)
  if (member === undefined) {
    // Nothing but wildcards: no different from no constraint.
    index.unconstrained.add(entry.connection)
    return undefined
  }
  const [field, condition] = member
  const conditions = index.byField.get(field) ?? new FieldIndex<Entry<C>>()
  index.byField.set(field, conditions)
  const remove = conditions.add(condition, entry)
  return () => {
    remove()
    if (conditions.isEmpty) index.byField.delete(field)
  }
}

function usersOf({ user, watched }: Filter): readonly string[] {
  return user === null ? watched : [user, ...watched]
}

/** A value finds fewer constraints than a bound does. */
function mostSelective(constraint: Constraint): readonly [string, Exclude<Condition, null>] | undefined {
  const members = Object.entries(constraint).flatMap(([field, condition]): [string, Exclude<Condition, null>][] =>
    condition === null ? [] : [[field, condition]],
  )
  return members.find(([, condition]) => !isOperators(condition)) ?? members[0]
}

function setOf<C>(value: C | undefined): ReadonlySet<C> {
  return value === undefined ? new Set() : new Set([value])
}
