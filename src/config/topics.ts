// Variable TOPICS, and the file topics.json: a rule per topic, which says how its records become events, and their recipients.
// Here the text is parsed and every mistake is named; decoding/apply-rule.ts evaluates the rules. docs/sources.md explains them.
import * as z from 'zod'
import bundled from '../../topics.json' with { type: 'json' }
import type { DataSelection, EventMapping, RuleFilter, RuleValue, TopicRule } from '../core/events/topic-rule.ts'
import { isObject } from '../core/json.ts'
import { parsePointer, type JsonPointer } from '../core/json-pointer.ts'
import { parseCondition } from '../core/subscriptions/constraint.ts'
import { fail } from '../core/result.ts'
import { unambiguousJson } from './env-fields.ts'
import { topicNameProblems, type SourceTopicVariables } from './sources/topic-names.ts'
import { PRESETS, type RuleText } from './topic-presets.ts'
import { parseRuleValue } from './topic-values.ts'

type Problems = string[]

const FIELDS = [
  'preset',
  'type',
  'source',
  'id',
  'time',
  'subject',
  'extensions',
  'data',
  'omit',
  'envelope',
  'format',
  'recipients',
  'filter',
  'tombstones',
] as const

const FORMATS = ['json', 'text', 'bytes', 'content-type'] as const
/** Attributes that a rule sets by fields of their own, or that are the data's. */
const NOT_EXTENSIONS = new Set(
  'specversion type source id time subject data data_base64 datacontenttype dataschema'.split(' '),
)

/** The variables of topic rules, as zod schemas. */
export const topicsVariables = {
  TOPICS: unambiguousJson(z.record(z.string(), z.unknown(), 'must be a JSON object: topic, or "*" → rule')).optional(),
}

type Variables = z.infer<z.ZodObject<typeof topicsVariables>> & SourceTopicVariables

/** Topic, or `*` for all others → its rule. */
export type TopicRules = ReadonlyMap<string, TopicRule>

/**
 * Returns the rules of TOPICS, or of topics.json if TOPICS is not set. Call `topicsContradictions` first: wrong
 * entries are left out here.
 */
export function toTopicRules(v: Variables): TopicRules {
  return parseAll(v, []).rules
}

/** Returns a problem for each mistake in a rule. */
export function topicsContradictions(v: Variables): readonly string[] {
  const problems: Problems = []
  parseAll(v, problems)
  return problems
}

/** Parses one rule, for `POST /_rig/api/v1/topics/{topic}/try`. */
export function parseTopicRule(
  name: string,
  rule: unknown,
): { readonly rule: TopicRule | undefined; readonly problems: readonly string[] } {
  const problems: Problems = []
  return { rule: parseRule(name, rule, problems), problems }
}

function parseAll(v: Variables, problems: Problems) {
  const source = v.TOPICS === undefined ? 'topics.json' : 'TOPICS'
  const rules = new Map<string, TopicRule>()
  for (const [name, text] of Object.entries(v.TOPICS ?? (bundled.topics as Readonly<Record<string, unknown>>))) {
    const ruleProblems: Problems = []
    if (name !== '*') ruleProblems.push(...topicNameProblems(name, v))
    const rule = parseRule(name, text, ruleProblems)
    if (rule !== undefined) rules.set(name, rule)
    problems.push(...ruleProblems.map((problem) => `${source}: in ${name}: ${problem}`))
  }
  return { rules }
}

/** A rule may be one line: `"debezium, recipients /after/user_id"`. */
function toRuleText(rule: unknown, problems: Problems): RuleText | undefined {
  if (isObject(rule)) return rule
  if (typeof rule !== 'string') {
    problems.push('must be an object, or a line such as "type order.{/kind}, recipients key"')
    return undefined
  }
  const clauses = rule.split(',').map((clause) => clause.trim())
  const entries = clauses.map((clause): [string, string] => {
    const space = clause.indexOf(' ')
    return space < 0 ? ['preset', clause] : [clause.slice(0, space), clause.slice(space + 1).trim()]
  })
  return Object.fromEntries(entries)
}

function parseRule(name: string, rule: unknown, problems: Problems): TopicRule | undefined {
  const own = toRuleText(rule, problems)
  if (own === undefined) return undefined
  for (const field of Object.keys(own)) {
    if (!(FIELDS as readonly string[]).includes(field)) {
      problems.push(`"${field.slice(0, 40)}" is not a field of a rule: there are ${FIELDS.join(', ')}`)
    }
  }
  const { preset } = own
  const base = typeof preset === 'string' && Object.hasOwn(PRESETS, preset) ? PRESETS[preset] : undefined
  if (preset !== undefined && base === undefined) {
    problems.push(`preset must be one of ${Object.keys(PRESETS).join(', ')}, got ${JSON.stringify(preset)}`)
  }
  const text: RuleText = { ...base, ...own }
  const parsed: TopicRule = {
    name,
    event: parseMapping(text, problems),
    recipients: optional(text, 'recipients', problems),
    filters: parseFilters(text['filter'], problems),
    tombstones: parseTombstones(text['tombstones'], problems),
  }
  return problems.length === 0 ? parsed : undefined
}

function parseMapping(text: RuleText, problems: Problems): EventMapping | null {
  const type = optional(text, 'type', problems)
  if (type === null) {
    const needing = ['source', 'id', 'time', 'subject', 'extensions', 'data', 'omit', 'envelope', 'format']
    const field = needing.find((one) => text[one] !== undefined)
    if (field !== undefined) problems.push(`${field} needs type: without it the records are CloudEvents already`)
    return null
  }
  const format = text['format'] ?? 'json'
  if (!isFormat(format)) problems.push(`format must be one of ${FORMATS.join(', ')}`)
  return {
    type,
    source: optional(text, 'source', problems) ?? mustParse('/topics/{topic}'),
    id: optional(text, 'id', problems) ?? mustParse('position'),
    time: optional(text, 'time', problems) ?? mustParse('timestamp'),
    subject: optional(text, 'subject', problems),
    extensions: parseExtensions(text['extensions'], problems),
    data: parseData(text['data'], problems),
    omit: parsePointers(text['omit'], problems),
    envelope: parseEnvelope(text['envelope'], problems),
    format: isFormat(format) ? format : 'json',
  }
}

function isFormat(value: unknown): value is EventMapping['format'] {
  return (FORMATS as readonly unknown[]).includes(value)
}

function mustParse(text: string): RuleValue {
  const value = parseRuleValue(text)
  if (!value.ok) throw new TypeError(value.reason)
  return value.value
}

function parseNamed(name: string, text: unknown, problems: Problems): RuleValue | null {
  const value = parseRuleValue(text)
  if (value.ok) return value.value
  problems.push(`${name} ${value.reason}`)
  return null
}

function optional(text: RuleText, name: string, problems: Problems): RuleValue | null {
  return text[name] === undefined ? null : parseNamed(name, text[name], problems)
}

function parseExtensions(value: unknown, problems: Problems): ReadonlyMap<string, RuleValue> {
  const extensions = new Map<string, RuleValue>()
  if (value === undefined) return extensions
  if (!isObject(value)) {
    problems.push('extensions must be an object: attribute → value')
    return extensions
  }
  for (const [name, text] of Object.entries(value)) {
    const parsed = parseNamed(`extensions: ${name}`, text, problems)
    if (!/^[a-z0-9]{1,40}$/.test(name) || NOT_EXTENSIONS.has(name)) {
      problems.push(
        `extensions: "${name.slice(0, 40)}" must be 1 to 40 of a-z and 0-9, and no attribute of CloudEvents`,
      )
    } else if (parsed !== null) extensions.set(name, parsed)
  }
  return extensions
}

/** One selection, or a list of alternatives. */
function parseData(value: unknown, problems: Problems): EventMapping['data'] {
  if (value === undefined) return null
  const selections = (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map(
    (one): DataSelection | null => {
      if (!isObject(one) || 'json_pointer' in one) return parseNamed('data', one, problems)
      const parts = Object.entries(one).map(
        ([name, text]) => [name, parseNamed(`data: ${name}`, text, problems)] as const,
      )
      return new Map(parts.filter((part): part is [string, RuleValue] => part[1] !== null))
    },
  )
  return selections.filter((one): one is DataSelection => one !== null)
}

function parsePointers(value: unknown, problems: Problems): readonly JsonPointer[] {
  if (value === undefined) return []
  const texts = Array.isArray(value) ? (value as readonly unknown[]) : [value]
  const pointers = texts.map((text) => (typeof text === 'string' ? parsePointer(text) : undefined))
  if (pointers.includes(undefined)) problems.push('omit must be JSON pointers into the data, such as "/password"')
  return pointers.filter((pointer): pointer is JsonPointer => pointer !== undefined)
}

function parseEnvelope(value: unknown, problems: Problems): JsonPointer | null {
  if (value === undefined) return null
  const pointer = typeof value === 'string' ? parsePointer(value) : undefined
  if (pointer === undefined) problems.push('envelope must be a JSON pointer, such as "/payload"')
  return pointer ?? null
}

/** `{"/visible": true}`, or a list of such objects, one of which must hold. */
function parseFilters(value: unknown, problems: Problems): readonly RuleFilter[] {
  if (value === undefined) return []
  return (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map((filter) => {
    if (!isObject(filter) || Object.keys(filter).length === 0) {
      problems.push('filter must be an object such as {"/visible": true}, or a list of them')
      return []
    }
    return Object.entries(filter).flatMap(([text, condition]) => {
      const parsed = parseNamed(`filter: ${text}`, text, problems)
      const compiled = condition === null ? fail('null is not a condition') : parseCondition(condition)
      if (!compiled.ok) problems.push(`filter: ${text}: ${compiled.reason}`)
      return parsed === null || !compiled.ok ? [] : [{ value: parsed, condition: compiled.value }]
    })
  })
}

function parseTombstones(value: unknown, problems: Problems): TopicRule['tombstones'] {
  if (value === undefined || value === 'dead_letter') return 'dead_letter'
  if (value === 'drop') return 'drop'
  const type = isObject(value) && Object.keys(value).length === 1 ? parseRuleValue(value['type']) : undefined
  if (type?.ok === true) return { type: type.value }
  problems.push('tombstones must be "dead_letter", "drop", or {"type": "order.deleted"}')
  return 'dead_letter'
}

/** Returns the rule of a topic: its own, or that of `*`; null if it has none. */
export function topicRuleOf(rules: TopicRules, topic: string): TopicRule | null {
  return rules.get(topic) ?? rules.get('*') ?? null
}
