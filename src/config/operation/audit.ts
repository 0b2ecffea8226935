// Variables of the audit log of the internal API.
import * as z from 'zod'
import { list, topicName } from '../env-fields.ts'

const DESTINATIONS = ['none', 'console', 'kafka'] as const

/** The variables of the audit log, as zod schemas. */
export const auditVariables = {
  AUDIT_LOG: list.pipe(z.array(z.enum(DESTINATIONS, 'must be none, or console, kafka, or both'))).default(['console']),
  AUDIT_LOG_TOPIC: topicName.default('rigel-audit-log'),
}

type Variables = z.infer<z.ZodObject<typeof auditVariables>> & { readonly KAFKA_SOURCE_TOPICS: readonly string[] }

/** Returns where entries of the audit log are written. */
export function toAudit(v: Variables) {
  return {
    toConsole: v.AUDIT_LOG.includes('console'),
    /** Null: entries are not written to a topic. */
    topic: v.AUDIT_LOG.includes('kafka') ? v.AUDIT_LOG_TOPIC : null,
  }
}

/** Returns a problem for each combination of variables that cannot work. */
export function auditContradictions(v: Variables): readonly string[] {
  const problems: string[] = []
  if (v.AUDIT_LOG.includes('none') && v.AUDIT_LOG.length > 1) problems.push('AUDIT_LOG: must be none alone')
  if (v.KAFKA_SOURCE_TOPICS.includes(v.AUDIT_LOG_TOPIC)) {
    problems.push('AUDIT_LOG_TOPIC: must not be one of KAFKA_SOURCE_TOPICS: subscribers would see what operators do')
  }
  return problems
}
