// Variables of operation: how often figures are reported, and the console.
import { z } from 'zod'
import { integer } from './env-fields.ts'

/** The variables of operation, as zod schemas. */
export const operationVariables = {
  METRICS_PUSH_SECONDS: integer(10, 0, 300),
}

type Variables = z.infer<z.ZodObject<typeof operationVariables>>

/** Returns the least time between two reports of an isolate or object, in milliseconds. 0: nothing is reported. */
export function toMetricsPushMs(v: Variables): number {
  return v.METRICS_PUSH_SECONDS * 1_000
}
