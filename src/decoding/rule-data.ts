// The data of an event that a rule of TOPICS makes: the value, a part of it, or an object of parts, without omitted members.
// Pure. Numbers keep their digits: the parts are written from core/json.ts's exact values. For apply-rule.ts.
import type { DataSelection, EventMapping } from '../core/events/topic-rule.ts'
import { isObject } from '../core/json.ts'
import type { JsonPointer } from '../core/json-pointer.ts'
import { readValue, type RecordView } from './rule-values.ts'

/** Returns the data as JSON text: of the first selection that has a value, else the whole value. */
export function dataText({ data, omit }: EventMapping, view: RecordView): string {
  const selected = data?.map((selection) => select(selection, view)).find((value) => value !== undefined)
  return JSON.stringify(omit.reduce(without, selected ?? view.value) ?? null)
}

/** An object of parts has a value if one of the parts has; the others are then null. */
function select(selection: DataSelection, view: RecordView): unknown {
  if (!(selection instanceof Map))
    return readValue(selection as Exclude<DataSelection, ReadonlyMap<string, unknown>>, view)
  const parts = [...selection].map(([name, value]) => [name, readValue(value, view)] as const)
  if (parts.every(([, value]) => value === undefined)) return undefined
  return Object.fromEntries(parts.map(([name, value]) => [name, value ?? null]))
}

/** Returns the value without the member at `pointer`. In a list, a name that is no index is left out of each item. */
function without(value: unknown, pointer: JsonPointer): unknown {
  const [token, ...rest] = pointer
  if (token === undefined) return undefined
  if (Array.isArray(value)) {
    const items = value as readonly unknown[]
    if (!/^\d+$/.test(token)) return items.map((item) => without(item, pointer))
    if (rest.length === 0) return items.filter((_, index) => index !== Number(token))
    return items.map((item, index) => (index === Number(token) ? without(item, rest) : item))
  }
  if (!isObject(value) || !Object.hasOwn(value, token)) return value
  const others = Object.entries(value).filter(([name]) => name !== token || rest.length > 0)
  return Object.fromEntries(others.map(([name, inner]) => [name, name === token ? without(inner, rest) : inner]))
}
