// The incidents of this isolate, in its log. Of the whole isolate, because several objects and requests use one server.
import { Incidents, type IncidentFacts } from './incidents.ts'

const incidents = new Incidents({ nowMs: () => Date.now(), write: (line) => console.warn(line) })

/** See Incidents.failed. */
export function logIncident(message: string, about: IncidentFacts, details?: IncidentFacts): void {
  incidents.failed(message, about, details)
}
