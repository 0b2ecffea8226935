// What variables are made of: each takes text and answers a typed value, or says what would be right.
import { truncate } from '../core/text.ts'
import { parseJson } from '../core/json.ts'
import { z } from 'zod'
import { parsePointer, type JsonPointer } from '../core/json-pointer.ts'

export function integer(fallback: number, minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${minimum} to ${maximum}`)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `must be a whole number from ${minimum} to ${maximum}`)
    .default(fallback)
}

export const flag = z
  .enum(['true', 'false', '1', '0'], 'must be true or false')
  .transform((value) => value === 'true' || value === '1')
  .default(false)

export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

export const topicName = z
  .string()
  .regex(
    /^(?!\.\.?$)[A-Za-z0-9._-]{1,249}$/,
    'must be a Kafka topic name: 1 to 249 of letters, digits, ".", "_" and "-", but not "." or ".."',
  )

export const pointer = z.string().transform((text, context): JsonPointer => {
  const parsed = parsePointer(text)
  if (parsed !== undefined) return parsed
  context.addIssue(`must be a JSON pointer such as "/data/user", got "${show(text)}"`)
  return z.NEVER
})

export function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      const value = parseJson(text)
      if (value !== undefined) return value
      context.addIssue('must be JSON')
      return z.NEVER
    })
    .pipe(schema)
}

/** Returns the start of a value, for a message. */
export function show(text: string): string {
  return truncate(text, 40)
}

/** The developer's own machine, or a name of a private network such as a compose file's. */
export function isNearby(hostname: string): boolean {
  // An address of IPv6 has no dots either, wherever it is.
  if (hostname.includes(':')) return hostname === '[::1]'
  return !hostname.includes('.') || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
