// One line an incident: a server that is out of reach is told when that is first noticed and then once a minute, with the
// number of lines that were left out, however many requests it fails. Pure: incident-log.ts has the isolate's.

/** What an incident is about, such as a server or a topic, or details of it. */
export type IncidentFacts = Readonly<Record<string, unknown>>

/** Dependencies of Incidents. */
export interface IncidentsDeps {
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  readonly write: (line: IncidentFacts) => void
}

const SILENT_MS = 60_000

/** More than there are servers. Beyond it, the incidents told longest ago are forgotten, and told again. */
const MAX_INCIDENTS = 200

interface Told {
  readonly atMs: number
  leftOut: number
}

export class Incidents {
  readonly #deps: IncidentsDeps
  /** Oldest first. */
  readonly #told = new Map<string, Told>()

  constructor(deps: IncidentsDeps) {
    this.#deps = deps
  }

  /**
   * Writes one object, unless a line with this message about the same was written in the last minute. `details`, such as
   * the text of the error, do not make it another incident.
   */
  failed(message: string, about: IncidentFacts, details: IncidentFacts = {}): void {
    const key = `${message} ${JSON.stringify(about)}`
    const last = this.#told.get(key)
    const nowMs = this.#deps.nowMs()
    if (last !== undefined && nowMs - last.atMs < SILENT_MS) {
      last.leftOut += 1
      return
    }
    this.#told.delete(key)
    this.#told.set(key, { atMs: nowMs, leftOut: 0 })
    const [oldest] = this.#told.keys()
    if (this.#told.size > MAX_INCIDENTS && oldest !== undefined) this.#told.delete(oldest)
    const leftOut = last?.leftOut ?? 0
    this.#deps.write({ message, ...about, ...details, ...(leftOut > 0 ? { leftOut } : {}) })
  }
}
