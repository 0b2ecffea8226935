// Building blocks of the variables: each parses the text of a variable into a typed value, or fails with a message that
// says what would be right. Used by the other files of config/.
import * as z from 'zod'
import { TOPIC_NAME, TOPIC_NAME_RULE } from '../core/events/topic-name.ts'
import { parsePointer, type JsonPointer } from '../core/json-pointer.ts'

const MAX_SHOWN_CHARS = 40

/** Returns the field of a whole number, written in decimal digits, from `minimum` to `maximum`. */
export function integer(fallback: number, minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${minimum} to ${maximum}`)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `must be a whole number from ${minimum} to ${maximum}`)
    .default(fallback)
}

/** `true`, `1`, `false` or `0`; false if not set. */
export const flag = z
  .enum(['true', 'false', '1', '0'], 'must be true or false')
  .transform((value) => value === 'true' || value === '1')
  .default(false)

/** Items separated by commas, trimmed, without empty ones. */
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)

/** One bearer token, or the new and the old one while it is rotated. */
export const tokens = list.pipe(
  z
    .array(
      z
        .string()
        .regex(
          /^[A-Za-z0-9._~+/-]{16,}=*$/,
          'must be 16 or more of letters, digits and "-._~+/", as bearer tokens are',
        ),
    )
    .max(2, 'must be one token, or the new and the old one'),
)

/** The name of a Kafka topic. */
export const topicName = z.string().regex(TOPIC_NAME, TOPIC_NAME_RULE)

/** A JSON pointer (RFC 6901), parsed. */
export const pointer = z.string().transform((text, context): JsonPointer => {
  const parsed = parsePointer(text)
  if (parsed !== undefined) return parsed
  context.addIssue(`must be a JSON pointer such as "/data/user", got "${show(text)}"`)
  return z.NEVER
})

/** Returns the field of a JSON text, whose value `schema` parses. */
export function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue('must be JSON')
        return z.NEVER
      }
    })
    .pipe(schema)
}

/** Returns the field of a JSON text in which no object has a member twice: parsers drop all but one of them, without an error. */
export function unambiguousJson<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .superRefine((text, context) => {
      const name = repeatedMember(text)
      if (name !== undefined) context.addIssue(`has "${show(name)}" twice in one object`)
    })
    .pipe(json(schema))
}

const MEMBERS = /("(?:[^"\\]|\\.)*")\s*(:?)|[{}[\]]/g

function repeatedMember(text: string): string | undefined {
  const open: Set<string>[] = []
  for (const [token, name = '', colon] of text.matchAll(MEMBERS)) {
    if (token === '{' || token === '[') open.push(new Set())
    else if (token === '}' || token === ']') open.pop()
    else if (colon === ':') {
      if (open.at(-1)?.has(name) === true) return name.slice(1, -1)
      open.at(-1)?.add(name)
    }
  }
  return undefined
}

/** Returns the field of a service URL, http or https. `example` is shown in the message. */
export function serviceUrl(example: string) {
  return z.url({ protocol: /^https?$/, error: `must be a URL such as ${example}` })
}

/** Returns the start of a value, for an error text. */
export function show(text: string): string {
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}…` : text
}

/** The end of an error text about a URL for which `exposesSecrets` holds. */
export const HTTPS_RULE = 'must be https, or everybody on the way could read the credentials'

/** Returns whether what is sent to the URL can be read by others: by http, to a host outside a private network. */
export function exposesSecrets(url: string | URL): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !isPrivateHost(hostname)
}

/**
 * Returns whether a host is this machine or in a private network, where plain text is the operator's choice: loopback
 * addresses, names without a dot (as in a compose file), and the names that are never public: `.localhost` (RFC 6761),
 * `.local` (RFC 6762, Kubernetes' cluster.local) and `.internal` (reserved by ICANN). `hostname` is as URL has it:
 * IPv6 in brackets.
 */
export function isPrivateHost(hostname: string): boolean {
  // An IPv6 address has no dots either, wherever it is.
  if (hostname.includes(':')) return hostname === '[::1]'
  return (
    !hostname.includes('.') || /^127\.\d+\.\d+\.\d+$/.test(hostname) || /\.(localhost|local|internal)$/.test(hostname)
  )
}
