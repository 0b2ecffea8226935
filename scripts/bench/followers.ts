// What followers cost by their number: the first health of a Rigel that has just started, a type that nobody wanted before
// (every follower confirms it before the subscription is in force), and the memory of one that has nothing to do.
import { millisecondsOf, quantileOf, quick, type Figure } from './figure.ts'
import { call, startRig, type Rig } from './rig.ts'

const SHARDS = 16
const PARTITIONS = 16
/** 64, 816 and 2,064 followers. */
const TOPICS = quick ? [4, 51] : [4, 51, 129]
const FIRST_HEALTH_MS = 5_000
const FEW = 64
const NEW_TYPE_OF_FEW_MS = 200
const NEW_TYPE_MS = 1_000
const INTERNAL_TOKEN = 'a-token-of-the-bench'

export async function followers(): Promise<readonly Figure[]> {
  const results: Figure[] = []
  let few: { readonly bytes: number } | undefined
  for (const topics of TOPICS) {
    const { bytes, figures } = await measure(topics)
    few ??= { bytes }
    const more = topics * PARTITIONS - FEW
    results.push(...figures)
    if (more > 0) {
      const rigel = (bytes - few.bytes) / more / 1_024
      const figure = `memory per idle follower, ${topics * PARTITIONS} followers`
      results.push({ figure, rigel, unit: 'KiB' })
    }
  }
  return results
}

async function measure(topics: number): Promise<{ readonly figures: readonly Figure[]; readonly bytes: number }> {
  const count = topics * PARTITIONS
  const rig = await startWith(topics)
  try {
    const headers = { authorization: `Bearer ${INTERNAL_TOKEN}` }
    const healthMs = await millisecondsOf(async () => {
      const response = await fetch(`${rig.origin}/_rig/api/health`, { headers })
      if (!response.ok) throw new Error(`health: ${response.status} ${await response.text()}`)
    })
    const bytes = rig.memoryBytes()
    const newMs: number[] = []
    const knownMs: number[] = []
    for (let n = 0; n < 20; n += 1) {
      newMs.push(await millisecondsOf(() => call(rig, `subscribe?type=one`)))
      knownMs.push(await millisecondsOf(() => call(rig, 'subscribe?type=')))
    }
    const [rigel, bare] = [quantileOf(newMs, 0.5), quantileOf(knownMs, 0.5)]
    const figures = [
      {
        figure: `first health, ${count} followers`,
        rigel: healthMs,
        unit: 'ms',
        absoluteGoal: FIRST_HEALTH_MS,
      },
      {
        figure: `a new type, beside a known one, ${count} followers`,
        rigel,
        bare,
        unit: 'ms',
        absoluteGoal: count <= FEW ? NEW_TYPE_OF_FEW_MS : NEW_TYPE_MS,
      },
    ]
    return { figures, bytes }
  } finally {
    rig.stop()
  }
}

function startWith(topics: number): Promise<Rig> {
  const names = Array.from({ length: topics }, (_, n) => `bench-${n}`)
  return startRig({
    SHARDS: String(SHARDS),
    KAFKA_SOURCE_TOPICS: names.join(','),
    KAFKA_PARTITIONS: String(PARTITIONS),
    INTERNAL_TOKEN,
  })
}
