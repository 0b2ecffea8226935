// ApiVersions: which versions of which request a broker speaks; the first thing that is asked of each.
import type { Api } from './api.ts'

export interface ApiVersionsResponse {
  readonly errorCode: number
  /** By the number of the API. */
  readonly ranges: ReadonlyMap<number, readonly [oldest: number, newest: number]>
}

/** Version 0: every broker answers it, and what later ones add is not needed. */
export const apiVersions: Api<null, ApiVersionsResponse> = {
  name: 'ApiVersions',
  key: 18,
  versions: [0, 0],
  flexibleFrom: 3,
  encode: () => undefined,
  decode(reader) {
    const errorCode = reader.int16()
    const entries = reader.array(() => [reader.int16(), [reader.int16(), reader.int16()]] as const)
    return { errorCode, ranges: new Map(entries) }
  },
}
