// InitProducerId: an identity by which the broker knows a batch that it has already (idempotent producer, KIP-98).
import type { Api } from './api.ts'

/** Of transactions, which we have none of; it must be said all the same. */
const TRANSACTION_TIMEOUT_MS = 60_000
const NONE = -1

export interface InitProducerIdResponse {
  readonly errorCode: number
  readonly producerId: number
  readonly epoch: number
}

export const initProducerId: Api<null, InitProducerIdResponse> = {
  name: 'InitProducerId',
  key: 22,
  versions: [0, 4],
  flexibleFrom: 2,
  encode(writer, _request, version) {
    writer.nullableString(null)
    writer.int32(TRANSACTION_TIMEOUT_MS)
    if (version >= 3) {
      writer.int64(NONE)
      writer.int16(NONE)
    }
    writer.end()
  },
  decode(reader) {
    reader.int32()
    return { errorCode: reader.int16(), producerId: reader.int64(), epoch: reader.int16() }
  },
}
