// Fills the log of a shard. For scripts/bench/replaying.ts.
import { encodeBatches } from '../../../src/core/delivery/batch-codec.ts'
import { shardStub } from '../../../src/rpc/shard.ts'
import { TOPIC } from './work.ts'

const SHARD = 0
const EVENTS_PER_MIB = 2_048
const BATCH = 200

const encoder = new TextEncoder()

/** Events of 500 bytes, in batches as a follower sends them. */
export async function fillLog(env: Env, mib: number): Promise<void> {
  const type = 'old'
  const utf8 = encoder.encode(
    JSON.stringify({ specversion: '1.0', id: '0', source: '/bench', type, data: 'x'.repeat(430) }),
  )
  for (let from = 0; from < mib * EVENTS_PER_MIB; from += BATCH) {
    const events = Array.from({ length: BATCH }, (_, n) => ({
      offset: from + n,
      type,
      utf8,
      fields: {},
      recipients: null,
    }))
    await shardStub(env, SHARD).append([{ topic: TOPIC, partition: 8, generation: 0, packs: encodeBatches(events) }])
  }
}
