// Answers of the internal API that show fields, constraints, claims or metadata: numbers with every digit. `c.json` would
// show a number that no double holds as an object.
import type { Context } from 'hono'
import { stringifyScalars } from '../core/scalar.ts'
import type { HttpEnv } from './worker-context.ts'

export function exactJson(c: Context<HttpEnv>, value: unknown): Response {
  return c.body(stringifyScalars(value), 200, { 'content-type': 'application/json' })
}
