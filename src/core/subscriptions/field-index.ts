// Conditions on one field, found by the value of the field instead of by asking each: equality and lists by the value,
// prefixes by the prefixes of the value, bounds by their order. What is found still has to be checked: a range is found by
// one of its bounds. Only `ne` is kept in a list, for it holds for nearly every value.
import { addToSet } from '../set-map.ts'
import { isOperators, MAX_PREFIX_CHARS, type Condition } from './constraint.ts'
import type { FieldValue } from '../events/stored-event.ts'
import { compareScalars, scalarKey, type Scalar, type ScalarNumber } from '../scalar.ts'

interface Bound<E> {
  readonly bound: ScalarNumber | string
  readonly entry: E
}

/** The conditions on one field, each with an entry `E`, found by the field's value. */
export class FieldIndex<E> {
  readonly #byValue = new Map<ReturnType<typeof scalarKey>, Set<E>>()
  readonly #byPrefix = new Map<string, Set<E>>()
  /** Sorted by bound, numbers and strings apart: `gt` and `gte`, then `lt` and `lte`. */
  readonly #lower = { number: [] as Bound<E>[], string: [] as Bound<E>[] }
  readonly #upper = { number: [] as Bound<E>[], string: [] as Bound<E>[] }
  readonly #others = new Set<E>()
  #size = 0

  get isEmpty(): boolean {
    return this.#size === 0
  }

  /** Adds the entry. Returns a function that removes it. */
  add(condition: Exclude<Condition, null>, entry: E): () => void {
    const remove = this.#place(condition, entry)
    this.#size += 1
    return () => {
      this.#size -= 1
      remove()
    }
  }

  *find(value: FieldValue): Generator<E> {
    for (const one of Array.isArray(value) ? (value as readonly Scalar[]) : [value as Scalar]) yield* this.#findOne(one)
  }

  *#findOne(value: Scalar): Generator<E> {
    yield* this.#byValue.get(scalarKey(value)) ?? []
    yield* this.#others
    if (value === null || typeof value === 'boolean') return
    const lower = typeof value === 'string' ? this.#lower.string : this.#lower.number
    const upper = typeof value === 'string' ? this.#upper.string : this.#upper.number
    for (let at = 0; at < lower.length; at += 1) {
      const { bound, entry } = lower[at] as Bound<E>
      if (compareScalars(value, bound) < 0) break
      yield entry
    }
    for (let at = upper.length - 1; at >= 0; at -= 1) {
      const { bound, entry } = upper[at] as Bound<E>
      if (compareScalars(value, bound) > 0) break
      yield entry
    }
    if (typeof value === 'string' && this.#byPrefix.size > 0) yield* this.#findByPrefix(value)
  }

  *#findByPrefix(value: string): Generator<E> {
    const longest = Math.min(value.length, MAX_PREFIX_CHARS)
    for (let length = 0; length <= longest; length += 1) yield* this.#byPrefix.get(value.slice(0, length)) ?? []
  }

  #place(condition: Exclude<Condition, null>, entry: E): () => void {
    if (!isOperators(condition)) return addToSet(this.#byValue, scalarKey(condition), entry)
    const { gt, gte, in: list, lt, lte, prefix } = condition
    if (list !== undefined) {
      const undo = [...new Set(list.map(scalarKey))].map((key) => addToSet(this.#byValue, key, entry))
      return () => undo.forEach((remove) => remove())
    }
    if (prefix !== undefined) return addToSet(this.#byPrefix, prefix, entry)
    const lower = gte ?? gt
    if (lower !== undefined) return insert(listFor(this.#lower, lower), { bound: lower, entry })
    const upper = lte ?? lt
    if (upper !== undefined) return insert(listFor(this.#upper, upper), { bound: upper, entry })
    this.#others.add(entry)
    return () => this.#others.delete(entry)
  }
}

function listFor<E>(lists: { number: Bound<E>[]; string: Bound<E>[] }, bound: ScalarNumber | string): Bound<E>[] {
  return typeof bound === 'string' ? lists.string : lists.number
}

/** Inserts the item behind all items whose bound is not above its own, by binary search. Returns a function that removes it. */
function insert<E>(list: Bound<E>[], item: Bound<E>): () => void {
  let [from, to] = [0, list.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (compareScalars((list[middle] as Bound<E>).bound, item.bound) <= 0) from = middle + 1
    else to = middle
  }
  list.splice(from, 0, item)
  return () => {
    const at = list.indexOf(item)
    if (at >= 0) list.splice(at, 1)
  }
}
