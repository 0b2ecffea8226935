// Produces a record with an idempotency key once, even if it is sent again before the first produce has ended. Kafka
// itself only recognises repeated batches of one producer. A repeated record is produced again if its key was not stored:
// the object crashed between Kafka's answer and `remember`, or the call failed although Kafka had the record. No record is lost.
import type { NewRecord, ProducedRecord } from '../../core/events/kafka-record.ts'
import type { ProducedKeys } from './produced-keys.ts'

interface ProduceOnceDeps {
  /** Resolves when all are durable, with their places in the order given. */
  readonly produce: (records: readonly NewRecord[]) => Promise<readonly ProducedRecord[]>
  readonly keys: Pick<ProducedKeys, 'placeOf' | 'remember'>
  readonly nowMs: () => number
}

/**
 * Like `deps.produce`. A repetition gets the place of the first one, and `duplicate`; it fails if the first one, under
 * way, fails.
 */
export function createProduceOnce({ keys, nowMs, produce }: ProduceOnceDeps): ProduceOnceDeps['produce'] {
  const underWay = new Map<string, Promise<ProducedRecord>>()

  async function produceFresh(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    const places = await produce(records)
    const keyed = records.flatMap(({ idempotencyKey: key }, index): [string, ProducedRecord][] => {
      const place = places[index]
      return key === undefined || place === undefined ? [] : [[key, place]]
    })
    if (keyed.length > 0) keys.remember(new Map(keyed), nowMs())
    return places
  }

  return async (records) => {
    const fresh: NewRecord[] = []
    let settle: (places: Promise<readonly ProducedRecord[]>) => void = () => {}
    const produced = new Promise<readonly ProducedRecord[]>((resolve) => (settle = resolve))
    const placeAt = async (index: number): Promise<ProducedRecord> => {
      const place = (await produced)[index]
      if (place === undefined) throw new Error('the producer named too few places')
      return place
    }
    const started: string[] = []
    const places = records.map((record): Promise<ProducedRecord> => {
      const { idempotencyKey: key } = record
      const known = key === undefined ? undefined : (underWay.get(key) ?? keys.placeOf(key))
      if (known !== undefined) return Promise.resolve(known).then((place) => ({ ...place, duplicate: true }))
      const place = placeAt(fresh.push(record) - 1)
      if (key !== undefined) {
        underWay.set(key, place)
        started.push(key)
      }
      return place
    })
    settle(fresh.length === 0 ? Promise.resolve([]) : produceFresh(fresh))
    try {
      return await Promise.all(places)
    } finally {
      for (const key of started) underWay.delete(key)
    }
  }
}
