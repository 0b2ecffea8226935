// ApiVersions (key 18, KIP-35): the versions that a broker supports. The first request on each connection.
import type { Api } from './api.ts'

/** The supported versions. */
export interface ApiVersionsResponse {
  readonly errorCode: number
  /** API key → versions, both inclusive. */
  readonly ranges: ReadonlyMap<number, readonly [oldest: number, newest: number]>
}

/** Version 0, which every broker answers. Rigel needs nothing of later versions. */
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
