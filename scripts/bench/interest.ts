// What it costs that clients subscribe to types that nobody wanted before: how many a second, and how long one takes by the
// number of followers, which all have to know before a subscription is confirmed.
import { alternate, millisecondsOf, quantileOf, quick, type Figure } from './figure.ts'
import { call, startRig, type Rig } from './rig.ts'

const SHARDS = 16
const TYPES = 8_000
const INTERNAL_TOKEN = 'a-token-of-the-bench'

export async function interest(): Promise<readonly Figure[]> {
  return [await changes(), ...(await confirmations(4)), ...(quick ? [] : await confirmations(51))]
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
      ratio: rates.rigel / rates.bare,
      goal: 1_000,
    }
  } finally {
    rig.stop()
  }
}

async function confirmations(topics: number): Promise<readonly Figure[]> {
  const followers = topics * 16
  const rig = await startWith(topics)
  try {
    const headers = { authorization: `Bearer ${INTERNAL_TOKEN}` }
    const healthMs = await millisecondsOf(async () => {
      const response = await fetch(`${rig.origin}/_rig/api/health`, { headers })
      if (!response.ok) throw new Error(`health: ${response.status} ${await response.text()}`)
    })
    const newMs: number[] = []
    const knownMs: number[] = []
    for (let n = 0; n < 20; n += 1) {
      newMs.push(await millisecondsOf(() => call(rig, `subscribe?type=one`)))
      knownMs.push(await millisecondsOf(() => call(rig, 'subscribe?type=')))
    }
    const [rigel, bare] = [quantileOf(newMs, 0.5), quantileOf(knownMs, 0.5)]
    return [
      {
        figure: `first health, ${followers} followers`,
        rigel: healthMs,
        bare: 5_000,
        unit: 'ms',
        ratio: healthMs / 5_000,
      },
      { figure: `a new type, ${followers} followers`, rigel, bare, unit: 'ms', ratio: rigel / bare },
    ]
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
    INTERNAL_TOKEN,
  })
}
