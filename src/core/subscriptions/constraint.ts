// What a field of an event must be, for one member of a constraint: a scalar, RIG's way, or an object of operators, all of
// which must hold. A field with several values (an array, or a pointer through one) meets what any of them meets.
import type { FieldValue, Scalar } from '../events/stored-event.ts'

export interface Operators {
  readonly gt?: number | string | undefined
  readonly gte?: number | string | undefined
  readonly lt?: number | string | undefined
  readonly lte?: number | string | undefined
  readonly ne?: Scalar | undefined
  readonly in?: readonly Scalar[] | undefined
  readonly prefix?: string | undefined
}

/** `null` matches anything, as in RIG. */
export type Condition = Scalar | Operators

const COMPARISONS = ['gt', 'gte', 'lt', 'lte'] as const
const OPERATORS: readonly string[] = [...COMPARISONS, 'ne', 'in', 'prefix']
const MAX_LISTED = 1_000
/** Every prefix of a value that is no longer than this is looked up. */
export const MAX_PREFIX_CHARS = 256

export function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

export function isOperators(condition: Condition): condition is Operators {
  return typeof condition === 'object' && condition !== null
}

/** Undefined: `value` is a condition. */
export function conditionProblem(value: unknown): string | undefined {
  if (isScalar(value)) return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'constraint values expected to be JSON scalars, or an object of operators'
  const operators = Object.entries(value)
  if (operators.length === 0) return `an object of operators expected to have one of ${OPERATORS.join(', ')}`
  for (const [name, operand] of operators) {
    const problem = operandProblem(name, operand)
    if (problem !== undefined) return problem
  }
  return undefined
}

function operandProblem(name: string, operand: unknown): string | undefined {
  if (!OPERATORS.includes(name)) return `unknown operator "${name.slice(0, 40)}": there are ${OPERATORS.join(', ')}`
  if (name === 'ne') return isScalar(operand) ? undefined : 'the operand of "ne" expected to be a JSON scalar'
  if (name === 'prefix')
    return typeof operand === 'string' && operand.length <= MAX_PREFIX_CHARS
      ? undefined
      : `the operand of "prefix" expected to be a string of ${MAX_PREFIX_CHARS} characters at most`
  if (name === 'in') {
    const isList =
      Array.isArray(operand) && operand.length > 0 && operand.length <= MAX_LISTED && operand.every(isScalar)
    return isList ? undefined : `the operand of "in" expected to be a list of 1 to ${MAX_LISTED} JSON scalars`
  }
  const isOrdered = typeof operand === 'string' || (typeof operand === 'number' && Number.isFinite(operand))
  return isOrdered ? undefined : `the operand of "${name}" expected to be a number or a string`
}

export function matchesCondition(condition: Condition, value: FieldValue | undefined): boolean {
  if (condition === null) return true
  if (value === undefined) return false
  return Array.isArray(value)
    ? value.some((one: Scalar) => holdsFor(condition, one))
    : holdsFor(condition, value as Scalar)
}

function holdsFor(condition: Exclude<Condition, null>, value: Scalar): boolean {
  if (!isOperators(condition)) return condition === value
  const { gt, gte, in: list, lt, lte, ne, prefix } = condition
  return (
    (gt === undefined || compare(value, gt) > 0) &&
    (gte === undefined || compare(value, gte) >= 0) &&
    (lt === undefined || compare(value, lt) < 0) &&
    (lte === undefined || compare(value, lte) <= 0) &&
    (ne === undefined || value !== ne) &&
    (list === undefined || list.includes(value)) &&
    (prefix === undefined || (typeof value === 'string' && value.startsWith(prefix)))
  )
}

/** NaN, which no comparison holds for, unless both are numbers or both are strings (by code units). */
export function compare(value: Scalar, bound: number | string): number {
  if (typeof value === 'number' && typeof bound === 'number') return value - bound
  if (typeof value !== 'string' || typeof bound !== 'string') return Number.NaN
  return value === bound ? 0 : value < bound ? -1 : 1
}
