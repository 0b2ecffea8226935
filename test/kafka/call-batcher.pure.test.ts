// Requests for one partition share calls; each call is made by a request of its own group.
import { describe, expect, it } from 'vitest'
import { CallBatcher } from '../../src/kafka/call-batcher.ts'

function createBatcher(maxSize = 100) {
  const calls: { readonly key: string; readonly requests: readonly string[]; end(error?: Error): void }[] = []
  const timers: (() => void)[] = []
  const kept: Promise<unknown>[] = []
  const batcher = new CallBatcher<string, string>(
    {
      call: (key, requests) =>
        new Promise((resolve, reject) => {
          const end = (error?: Error) => (error ? reject(error) : resolve(requests.map((one) => `${one}!`)))
          calls.push({ key, requests, end })
        }),
      sizeOf: ({ length }) => length,
      keepAlive: (work) => kept.push(work),
      schedule: (_ms, act) => {
        timers.push(act)
        return () => timers.splice(timers.indexOf(act), 1)
      },
    },
    maxSize,
  )
  const settled = async () => {
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve()
  }
  return { batcher, calls, timers, kept, settled }
}

/** Another request makes the call that nobody waits for. */
function createBusyBatcher(maxSize?: number) {
  const made = createBatcher(maxSize)
  void made.batcher.add('rig/9', 'alone')
  made.calls.length = 0
  return made
}

const messageOf = (error: unknown) => (error as Error).message

describe('requests of one isolate', () => {
  it('travel at once if nothing is under way, and together if something is', async () => {
    const { batcher, calls, settled } = createBusyBatcher()
    const results = ['a', 'b', 'c'].map((one) => batcher.add('rig/0', one))
    expect(calls.map(({ requests }) => requests)).toEqual([['a']])
    calls[0]?.end()
    await settled()
    expect(calls.map(({ requests }) => requests)).toEqual([['a'], ['b', 'c']])
    calls[1]?.end()
    expect(await Promise.all(results)).toEqual(['a!', 'b!', 'c!'])
  })

  it('do not wait for those of another partition', () => {
    const { batcher, calls } = createBusyBatcher()
    void batcher.add('rig/0', 'a')
    void batcher.add('rig/1', 'b')
    expect(calls.map(({ key }) => key)).toEqual(['rig/0', 'rig/1'])
  })

  it('fail with the call that they were part of, and the next call is made all the same', async () => {
    const { batcher, calls, settled } = createBusyBatcher()
    const results = ['a', 'b', 'c'].map((one) => batcher.add('rig/0', one).catch(messageOf))
    calls[0]?.end()
    await settled()
    const late = batcher.add('rig/0', 'd')
    calls[1]?.end(new Error('broken'))
    await settled()
    calls[2]?.end()
    expect([await Promise.all(results), await late]).toEqual([['a!', 'broken', 'broken'], 'd!'])
  })

  it('are split where a call would be too large; a request that is too large itself travels alone', async () => {
    const { batcher, calls, settled } = createBusyBatcher(5)
    for (const one of ['a', 'bb', 'cc', 'd', 'eeeeeeee', 'f']) void batcher.add('rig/0', one)
    for (let call = 0; call < 5; call += 1) {
      calls[call]?.end()
      await settled()
    }
    expect(calls.map(({ requests }) => requests)).toEqual([['a'], ['bb', 'cc', 'd'], ['eeeeeeee'], ['f']])
  })

  it('go on when the request that made the call is gone: those that waited for it fail in time', async () => {
    const { batcher, calls, timers, settled } = createBusyBatcher()
    void batcher.add('rig/0', 'gone')
    const waiting = batcher.add('rig/0', 'b').catch(messageOf)
    for (const act of timers) act()
    expect(await waiting).toContain('not known whether it was stored')
    const next = batcher.add('rig/0', 'c')
    await settled()
    calls[1]?.end()
    expect([await next, timers.length]).toEqual(['c!', 0])
  })

  it('keep the contexts of their requests alive until they have ended', async () => {
    const { batcher, calls, kept, settled } = createBusyBatcher()
    const results = [batcher.add('rig/0', 'a'), batcher.add('rig/0', 'b')]
    expect(kept).toHaveLength(2)
    calls[0]?.end()
    await settled()
    calls[1]?.end()
    await Promise.all([...results, ...kept])
  })

  it('are not kept alive while nothing else is under way, and then nobody waits for their call', async () => {
    const { batcher, calls, kept, settled } = createBatcher()
    const alone = batcher.add('rig/0', 'a')
    expect(kept).toHaveLength(0)
    const others = ['b', 'c'].map((one) => batcher.add('rig/0', one))
    expect(calls.map(({ requests }) => requests)).toEqual([['a'], ['b']])
    expect(kept).toHaveLength(2)
    for (const call of [0, 1, 2]) {
      calls[call]?.end()
      await settled()
    }
    expect(calls.map(({ requests }) => requests)).toEqual([['a'], ['b'], ['c']])
    expect(await Promise.all([alone, ...others])).toEqual(['a!', 'b!', 'c!'])
    void batcher.add('rig/0', 'd')
    expect(kept).toHaveLength(2)
  })

  it('are called for by themselves again once a queue has ended, although the request that was alone is gone', async () => {
    const { batcher, calls, kept, settled } = createBatcher()
    void batcher.add('rig/0', 'gone')
    void batcher.add('rig/0', 'b')
    calls[1]?.end()
    await settled()
    void batcher.add('rig/0', 'c')
    expect(kept).toHaveLength(1)
  })
})
