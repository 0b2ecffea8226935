// Variables of operation: how often figures are reported, and who may see the console.
import type { z } from 'zod'
import { flag, integer, tokens } from '../env-fields.ts'

/** The variables of operation, as zod schemas. */
export const operationVariables = {
  METRICS_PUSH_SECONDS: integer(10, 0, 300),
  CONSOLE: flag,
  CONSOLE_READ_TOKEN: tokens.default([]),
}

type Variables = z.infer<z.ZodObject<typeof operationVariables>>

/** Returns the least time between two reports of an isolate or object, in milliseconds. 0: nothing is reported. */
export function toMetricsPushMs(v: Variables): number {
  return v.METRICS_PUSH_SECONDS * 1_000
}

/** Returns a problem if the same token is set for both roles, because a reader could then change everything. */
export function operationContradictions(
  v: Variables & { readonly INTERNAL_TOKEN: readonly string[] },
): readonly string[] {
  const isShared = v.CONSOLE_READ_TOKEN.some((token) => v.INTERNAL_TOKEN.includes(token))
  return isShared ? ['CONSOLE_READ_TOKEN: must differ from INTERNAL_TOKEN, which may change things'] : []
}
