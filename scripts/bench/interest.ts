// What it costs that clients subscribe to types that nobody wanted before: how many a second. followers.ts measures how long one
// takes by the number of followers, which all have to know before a subscription is confirmed.
import { alternate, millisecondsOf, type Figure } from './figure.ts'
import { call, startRig, type Rig } from './rig.ts'

const SHARDS = 16
const TYPES = 8_000

export async function interest(): Promise<readonly Figure[]> {
  return [await changes()]
}

/** New types, confirmed by all followers; beside as many calls to the Directory that change nothing. */
async function changes(): Promise<Figure> {
  const rig = await startWith(4)
  try {
    const rate = async (path: string) =>
      (TYPES / (await millisecondsOf(() => call(rig, `${path}?count=${TYPES}`)))) * 1_000
    await call(rig, `interest?count=800`)
    const rates = await alternate({ rigel: () => rate('interest'), bare: () => rate('directory') }, 3)
    return {
      figure: 'new types, 64 followers',
      ...rates,
      unit: 'types/s',
      absoluteGoal: 1_000,
    }
  } finally {
    rig.stop()
  }
}

function startWith(topics: number): Promise<Rig> {
  const names = Array.from({ length: topics }, (_, n) => `bench-${n}`)
  return startRig({
    SHARDS: String(SHARDS),
    KAFKA_SOURCE_TOPICS: names.join(','),
    KAFKA_PARTITIONS: '16',
  })
}
