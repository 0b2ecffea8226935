// Writes the audit log: a line of Workers Logs, or an event in a topic (AUDIT_LOG). Called by admin-api.ts and
// rigel-api.ts.
import type { Config } from '../../config/parse-config.ts'
import { createCountedLog } from '../counted-log.ts'
import type { AuditEntry } from './audit-entry.ts'

/** Never throws: the change has been made already, so its request must not fail. */
export async function writeAudit(env: Env, config: Config, entry: AuditEntry): Promise<void> {
  const { toConsole, topic } = config.audit
  if (toConsole) console.info({ message: `audit: ${entry.action}`, ...entry })
  if (topic === null) return
  const event = {
    specversion: '1.0',
    id: crypto.randomUUID(),
    source: '/rigel',
    type: 'com.rigel.audit',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: entry,
  }
  const value = new TextEncoder().encode(JSON.stringify(event))
  const headers = [{ key: 'content-type', value: new TextEncoder().encode('application/cloudevents+json') }]
  try {
    await createCountedLog(env, config).produce([{ topic, key: null, headers, value }])
  } catch (error) {
    // No line is left out: the entry is only here.
    console.error({ message: 'an entry of the audit log could not be produced', entry, error: String(error) })
  }
}
