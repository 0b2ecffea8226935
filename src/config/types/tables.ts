// Variable TABLES: the event types of which clients may get the state. core/tables applies it.
import * as z from 'zod'
import { patternProblem } from '../../core/events/event-type-pattern.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { TableRule, TableRules } from '../../core/tables/table-rule.ts'
import { unambiguousJson } from '../env-fields.ts'
import { topicNameProblems, type SourceTopicVariables } from '../sources/topic-names.ts'

const MAX_ROWS = 1_000_000
const DEFAULT_ROWS = 100_000
const ROWS = `must be a whole number of rows from 1 to ${MAX_ROWS}`
const MAX_BYTES = 1_073_741_824
const DEFAULT_BYTES = 67_108_864
const BYTES = `must be a whole number of bytes from 1 to ${MAX_BYTES}`

const TOPIC = 'must be the name of a topic'

const tableSchema = z.strictObject(
  {
    topic: z.string(TOPIC).min(1, TOPIC),
    key: z.enum(['subject', 'record'], 'must be "subject" or "record"').default('subject'),
    max_rows: z.int(ROWS).min(1, ROWS).max(MAX_ROWS, ROWS).default(DEFAULT_ROWS),
    max_bytes: z.int(BYTES).min(1, BYTES).max(MAX_BYTES, BYTES).default(DEFAULT_BYTES),
  },
  'must be {"topic": "orders"} and, optionally, "key", "max_rows" and "max_bytes"',
)

/** The variable of tables, as a zod schema. */
export const tableVariables = {
  TABLES: unambiguousJson(
    z.record(z.string().min(1), tableSchema, 'must be a JSON object: event type → table'),
  ).optional(),
}

type Variables = z.infer<z.ZodObject<typeof tableVariables>>

/** Returns the tables; null: there are none. */
export function toTables({ TABLES: tables }: Variables): TableRules | null {
  if (tables === undefined || Object.keys(tables).length === 0) return null
  const toRule = ([type, table]: [string, z.infer<typeof tableSchema>]): [string, TableRule] => {
    const { key, max_bytes: maxBytes, max_rows: maxRows, topic } = table
    return [type, { type, topic, key, maxRows, maxBytes }]
  }
  return new Map(Object.entries(tables).map(toRule))
}

/** Returns a problem for each pattern, and each topic that is not followed, or cannot be read from its beginning. */
export function tableContradictions({
  TABLES: tables = {},
  ...v
}: Variables & SourceTopicVariables): readonly string[] {
  return Object.entries(tables).flatMap(([type, { topic }]) => [
    ...(type.includes('*') || type.startsWith('rig.') || patternProblem(type) !== undefined
      ? [`TABLES: ${type} must be an event type, no pattern`]
      : []),
    ...(sourceOf(topic).kind === 'kafka'
      ? topicNameProblems(topic, v, 'the table would stay empty')
      : ['must be one of Kafka, or of the embedded log']
    ).map((problem) => `TABLES: in ${type}: topic ${problem}`),
  ])
}
