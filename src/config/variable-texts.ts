// How variables are shown: the problems that a bad one causes, and the values in force. Values that may be secret are hidden,
// because problems are on a public page and the console may be read by more people than the secrets. Used by parse-config.ts.
import type { z } from 'zod'
import { show } from './env-fields.ts'

/** Names of variables that hold secrets, or URLs that may contain one. */
const SECRET = /SECRET|PASSWORD|USERNAME|URL|TOKEN|SASL|_KEY|CREDS|NATS_SERVERS|REGISTRY_HOST|OTLP_HEADERS/
const HIDDEN = '(hidden)'

/** A variable and the value in force, as the console shows it. */
export interface EffectiveVariable {
  readonly name: string
  /** The text of the value; null if it is not set and has no default. A secret is hidden. */
  readonly value: string | null
  readonly isDefault: boolean
}

/** Returns a variable with the value in force. `own` is the configured text, undefined if it is not set. */
export function effectiveVariable(name: string, own: string | undefined, value: unknown): EffectiveVariable {
  if (own !== undefined) return { name, value: mayBeSecret(name, own) ? HIDDEN : own, isDefault: false }
  const isUnset = value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  return { name, value: isUnset ? null : toDefaultText(value), isDefault: true }
}

/** The URL of a check service may contain a key. */
function mayBeSecret(name: string, value: string): boolean {
  return SECRET.test(name) || /^https?:/.test(value)
}

function toDefaultText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Returns the line of a problem: `NAME: in greeting, name: what would be right, got "what there is"`. */
export function describeIssue(
  { path, message }: z.core.$ZodIssue,
  variables: Readonly<Record<string, string>>,
): string {
  // Items of a list are counted from one.
  const [name = '', ...inner] = path.map((part) => (typeof part === 'number' ? `item ${part + 1}` : String(part)))
  const place = inner.length === 0 ? '' : `in ${inner.join(', ')}: `
  const isTold = message.includes(', got ') || inner.length > 0 || SECRET.test(name)
  return `${name}: ${place}${message}${isTold ? '' : `, got "${show(variables[name] ?? '')}"`}`
}
