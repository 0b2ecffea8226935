// Timestamps by RFC 3339, section 5.6: of events, and of clients that ask for what was stored since. Pure.

/** With the ranges of its fields; which days a month has is checked below. */
const TIMESTAMP =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** The shortest month has so many days. */
const SHORTEST_MONTH = 28

/** Whether a text is a timestamp, of a day that its month has. */
export function isTimestamp(text: string): boolean {
  const [, year = '', month = '', day = ''] = TIMESTAMP.exec(text) ?? []
  if (year === '') return false
  if (Number(day) <= SHORTEST_MONTH) return true
  return Number(day) <= new Date(Date.UTC(2_000 + (Number(year) % 400), Number(month), 0)).getUTCDate()
}
