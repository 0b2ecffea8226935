// What fuzz.ts runs: one parser with the inputs that are made for it.
import type { Random } from '../random.ts'

export interface Target {
  readonly name: string
  /** Makes one input and parses it. Returns the input, for the report. Throws what the parser throws. */
  run(random: Random): string | Uint8Array
}
