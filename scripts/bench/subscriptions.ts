// Memory of 20,000 connections of one shard with ten subscriptions each: all with the same set, and each with another one; beside
// as many without. They are long-polling sessions, so that no socket's memory counts. Resident memory of workerd, which the garbage
// collector lags behind: an upper bound.
import { quick, type Figure } from './figure.ts'
import { call, startRig } from './rig.ts'

const COUNT = quick ? 4_000 : 20_000

export async function subscriptionMemory(): Promise<readonly Figure[]> {
  const none = await grownMiB('none')
  const figureOf = async (sets: string, figure: string): Promise<Figure> => {
    const rigel = await grownMiB(sets)
    return { figure, rigel, bare: none, unit: 'MiB' }
  }
  const many = COUNT.toLocaleString('en')
  return [
    await figureOf('equal', `memory of ${many} connections with ten subscriptions, all alike, beside none`),
    await figureOf('different', `memory of ${many} connections with ten subscriptions, each others, beside none`),
  ]
}

async function grownMiB(sets: string): Promise<number> {
  const rig = await startRig({ MAX_CONNECTIONS_PER_SHARD: String(COUNT) })
  try {
    await call(rig, `sessions?sets=${sets}&count=100`)
    const before = rig.memoryBytes()
    await call(rig, `sessions?sets=${sets}&count=${COUNT - 100}`)
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    return (rig.memoryBytes() - before) / 1_048_576
  } finally {
    rig.stop()
  }
}
