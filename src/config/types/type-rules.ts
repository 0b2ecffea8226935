// Variable TYPES: rules per event type. Every mistake is named when Rigel starts. core/rules applies them.
import * as z from 'zod'
import { covers, isPattern, patternProblem } from '../../core/events/event-type-pattern.ts'
import { parsePointer } from '../../core/json-pointer.ts'
import { TypeRules, type Right, type Rights, type TypeRule } from '../../core/rules/type-rules.ts'
import { toExtractors, type eventVariables } from '../events.ts'
import { exposesSecrets, HTTPS_RULE, serviceUrl, unambiguousJson } from '../env-fields.ts'

const RIGHT =
  'must be "anybody", "nobody", "token", {"role": "admin"}, {"scope": "orders:read"}, {"claim": "/tenant", "field": "tenant"}, or a list of these'

const name = z.string().min(1)
const claim = z.string().refine((text) => parsePointer(text) !== undefined)

const rightSchema = z.union([
  z.literal('anybody').transform((): Rights => [{ kind: 'anybody' }]),
  z.literal('nobody').transform((): Rights => []),
  z.literal('token').transform((): Rights => [{ kind: 'token' }]),
  z.strictObject({ role: name }).transform(({ role }): Rights => [{ kind: 'role', name: role }]),
  z.strictObject({ scope: name }).transform(({ scope }): Rights => [{ kind: 'scope', name: scope }]),
  z.strictObject({ claim, field: name }).transform((right): Rights => [{ kind: 'claim', ...right }]),
])

const rightsSchema = z
  .union([rightSchema, z.array(rightSchema).transform((lists): Rights => lists.flat())], RIGHT)
  .optional()

/** A year. */
const MAX_LIFETIME_SECONDS = 31_536_000
const LIFETIME = `must be a whole number of seconds from 1 to ${MAX_LIFETIME_SECONDS}`

/** The same upper limit as that of MAX_EVENT_BYTES. */
const MAX_BYTES = 1_048_576
const BYTES = `must be a whole number of bytes from 1 to ${MAX_BYTES}`
const MAX_RATE = 1_000_000
const RATE = `must be a whole number of events from 1 to ${MAX_RATE}`

const ruleSchema = z.strictObject(
  {
    subscribe: rightsSchema,
    history: rightsSchema,
    publish: rightsSchema,
    presence: rightsSchema,
    lifetime_seconds: z.int(LIFETIME).min(1, LIFETIME).max(MAX_LIFETIME_SECONDS, LIFETIME).optional(),
    max_bytes: z.int(BYTES).min(1, BYTES).max(MAX_BYTES, BYTES).optional(),
    max_per_second: z.int(RATE).min(1, RATE).max(MAX_RATE, RATE).optional(),
    hook: serviceUrl('https://hooks.example.com/events').optional(),
  },
  'must be an object with any of "subscribe", "history", "publish", "presence", "lifetime_seconds", "max_bytes", "max_per_second" and "hook"',
)

/** The variable of rules per type, as a zod schema. */
export const typeRuleVariables = {
  TYPES: unambiguousJson(
    z.record(name, ruleSchema, 'must be a JSON object: event type, or a pattern such as "order.*" → rule'),
  ).optional(),
}

type Variables = z.infer<z.ZodObject<typeof typeRuleVariables>> & z.infer<z.ZodObject<typeof eventVariables>>

/** Returns the rules; null: there are none. */
export function toTypeRules({ TYPES: rules }: Variables): TypeRules | null {
  return rules === undefined ? null : new TypeRules(new Map(Object.entries(rules).map(toRule)))
}

function toRule([pattern, rule]: [string, z.infer<typeof ruleSchema>]): [string, TypeRule] {
  const { lifetime_seconds: seconds, max_bytes: maxBytes, max_per_second: perSecond, ...same } = rule
  const all = {
    ...same,
    lifetimeMs: seconds === undefined ? undefined : seconds * 1_000,
    maxBytes,
    rate: perSecond === undefined ? undefined : { perSecond, pattern },
  }
  // Without those that are not set: rules of wider patterns have them.
  return [pattern, Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))]
}

/** Returns a problem for each pattern that is none, and each field that no event of the type could have. */
export function typeRuleContradictions(v: Variables): readonly string[] {
  return Object.entries(v.TYPES ?? {}).flatMap(
    ([type, { history = [], hook, presence = [], publish = [], subscribe = [] }]) => {
      const problem = ruleNameProblem(type)
      const extractors = [...toExtractors(v)].flatMap(([known, ofType]) =>
        covers(known, type) || covers(type, known) ? ofType : [],
      )
      const fields = extractors.map((extractor) => extractor.name)
      const isOfRecords = (field: string) => extractors.every((one) => one.name !== field || one.from !== undefined)
      const ofRecords = publish.flatMap((right) =>
        right.kind === 'claim' && fields.includes(right.field) && isOfRecords(right.field) ? [right.field] : [],
      )
      const isUnknown = (right: Right) => right.kind === 'claim' && !fields.includes(right.field)
      const unknown = [...subscribe, ...history, ...publish].filter(isUnknown) as (Right & { kind: 'claim' })[]
      const known = fields.length === 0 ? 'none' : [...new Set(fields)].join(', ')
      return [
        ...(problem === undefined ? [] : [`TYPES: in ${type}: ${problem}`]),
        ...(hook !== undefined && exposesSecrets(hook) ? [`TYPES: in ${type}: hook ${HTTPS_RULE}`] : []),
        // A channel has no fields.
        ...(presence.some(({ kind }) => kind === 'claim') ? [`TYPES: in ${type}: presence must not name a claim`] : []),
        ...ofRecords.map((field) => `TYPES: in ${type}: publish must not name "${field}", which is read from a record`),
        ...unknown.map(
          ({ field }) => `TYPES: in ${type}: field "${field}" must be one that EXTRACTORS reads: ${known}`,
        ),
      ]
    },
  )
}

/** Returns why no event has such a type, so that its rule would never apply; undefined: some may have it. */
function ruleNameProblem(type: string): string | undefined {
  if (type.startsWith('rig.')) return "Rigel's own events have no rules"
  if (type !== type.trim()) return 'must not begin or end with a space'
  const isStarLost = type.includes('*') && !isPattern(type)
  return isStarLost ? 'a pattern has one star, behind its last dot: "com.github.*"' : patternProblem(type)
}
