// InitProducerId (key 22): the id by which brokers recognise a batch that is sent again (idempotent producer, KIP-98).
import type { Api } from './api.ts'

/** Required by the request. Rigel has no transactions. */
const TRANSACTION_TIMEOUT_MS = 60_000
const NONE = -1

/** The id and epoch to put into batches if `errorCode` is 0. */
export interface InitProducerIdResponse {
  readonly errorCode: number
  readonly producerId: number
  readonly epoch: number
}

/** Requests an id without a transactional id. */
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
