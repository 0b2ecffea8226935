// What a field of an event must be, for one member of a constraint: a scalar, RIG's way, or an object of operators, all of
// which must hold. A field with several values (an array, or a pointer through one) meets what any of them meets.
import type { FieldValue } from '../events/stored-event.ts'
import { isExactNumber, MAX_DECIMAL_CHARS } from '../exact-number.ts'
import { isObject, numberText } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'
import { compareScalars, isSameScalar, toScalar, type Scalar, type ScalarNumber } from '../scalar.ts'

/**
 * Comparisons with a field's value, all of which must hold. Numbers are compared by value, strings by UTF-16 code
 * units; a number and a string never compare.
 */
export interface Operators {
  readonly gt?: ScalarNumber | string | undefined
  readonly gte?: ScalarNumber | string | undefined
  readonly lt?: ScalarNumber | string | undefined
  readonly lte?: ScalarNumber | string | undefined
  readonly ne?: Scalar | undefined
  readonly in?: readonly Scalar[] | undefined
  readonly prefix?: string | undefined
}

/** `null` matches anything, as in RIG. */
export type Condition = Scalar | Operators

const COMPARISONS = ['gt', 'gte', 'lt', 'lte'] as const
const OPERATORS: readonly string[] = [...COMPARISONS, 'ne', 'in', 'prefix']
const MAX_LISTED = 1_000
const TOO_LONG = `numbers expected to have ${MAX_DECIMAL_CHARS} digits at most`
/** Every prefix of a value that is no longer than this is looked up. */
export const MAX_PREFIX_CHARS = 256

/** Returns whether the condition is an object of operators and not a scalar. */
export function isOperators(condition: Condition): condition is Operators {
  return typeof condition === 'object' && condition !== null && !isExactNumber(condition)
}

/** Returns the condition that a parsed JSON value is. The reason says what is wrong with it, in RIG's words where RIG has them. */
export function parseCondition(value: unknown): Result<Condition, string> {
  const scalar = toScalar(value)
  if (scalar !== undefined) return ok(scalar)
  if (numberText(value) !== undefined) return fail(TOO_LONG)
  if (!isObject(value)) return fail('constraint values expected to be JSON scalars, or an object of operators')
  const entries = Object.entries(value)
  if (entries.length === 0) return fail(`an object of operators expected to have one of ${OPERATORS.join(', ')}`)
  const operators: Record<string, unknown> = {}
  for (const [name, given] of entries) {
    const operand = parseOperand(name, given)
    if (!operand.ok) return operand
    operators[name] = operand.value
  }
  return ok(operators)
}

function parseOperand(name: string, operand: unknown): Result<Scalar | readonly Scalar[], string> {
  if (!OPERATORS.includes(name))
    return fail(`unknown operator "${name.slice(0, 40)}": there are ${OPERATORS.join(', ')}`)
  if (name === 'in') return parseList(operand)
  const scalar = toScalar(operand)
  if (name === 'ne') return scalar === undefined ? fail('the operand of "ne" expected to be a JSON scalar') : ok(scalar)
  if (name === 'prefix') {
    return typeof scalar === 'string' && scalar.length <= MAX_PREFIX_CHARS
      ? ok(scalar)
      : fail(`the operand of "prefix" expected to be a string of ${MAX_PREFIX_CHARS} characters at most`)
  }
  const isOrdered = typeof scalar === 'string' || typeof scalar === 'number' || isExactNumber(scalar)
  return isOrdered ? ok(scalar) : fail(`the operand of "${name}" expected to be a number or a string`)
}

function parseList(operand: unknown): Result<readonly Scalar[], string> {
  const list = Array.isArray(operand) ? (operand as readonly unknown[]).slice(0, MAX_LISTED + 1).map(toScalar) : []
  const scalars = list.filter((scalar) => scalar !== undefined)
  const isList = list.length > 0 && list.length <= MAX_LISTED && scalars.length === list.length
  return isList ? ok(scalars) : fail(`the operand of "in" expected to be a list of 1 to ${MAX_LISTED} JSON scalars`)
}

/**
 * Returns whether a field's value meets the condition. A list meets it if one of its items does; an absent field meets
 * only `null`.
 */
export function matchesCondition(condition: Condition, value: FieldValue | undefined): boolean {
  if (condition === null) return true
  if (value === undefined) return false
  return Array.isArray(value)
    ? value.some((one: Scalar) => holdsFor(condition, one))
    : holdsFor(condition, value as Scalar)
}

function holdsFor(condition: Exclude<Condition, null>, value: Scalar): boolean {
  if (!isOperators(condition)) return isSameScalar(condition, value)
  const { gt, gte, in: list, lt, lte, ne, prefix } = condition
  return (
    (gt === undefined || compareScalars(value, gt) > 0) &&
    (gte === undefined || compareScalars(value, gte) >= 0) &&
    (lt === undefined || compareScalars(value, lt) < 0) &&
    (lte === undefined || compareScalars(value, lte) <= 0) &&
    (ne === undefined || !isSameScalar(value, ne)) &&
    (list === undefined || list.some((one) => isSameScalar(one, value))) &&
    (prefix === undefined || (typeof value === 'string' && value.startsWith(prefix)))
  )
}
