// The incidents of this isolate, in its log. Of the whole isolate, because several objects and requests use one server.
import { Incidents, type IncidentFacts } from './incidents.ts'

const nowMs = () => Date.now()
const incidents = new Incidents({ nowMs, write: (line) => console.warn(line) })
const bugs = new Incidents({ nowMs, write: (line) => console.error(line) })

/** See Incidents.failed. */
export function logIncident(message: string, about: IncidentFacts, details?: IncidentFacts): void {
  incidents.failed(message, about, details)
}

/** An error that nothing expects, with its stack. `about` has few values: neither a path of a client nor a text of the error. */
export function logBug(message: string, about: IncidentFacts, error: unknown): void {
  bugs.failed(message, about, { error: error instanceof Error ? (error.stack ?? String(error)) : String(error) })
}
