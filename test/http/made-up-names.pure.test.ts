// Names that clients make up fill no memory of the Worker's isolate, however long they are.
import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { TypeRules } from '../../src/core/rules/type-rules.ts'
import { isDropped, type HeaderRoute } from '../../src/http/proxy/headers/dropped-headers.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapBytes(): number {
  collect()
  return memoryUsage().heapUsed
}

const COUNT = 1_000
const CHARS = 10_000
const ROUTE: HeaderRoute = {
  authentication: null,
  policy: { clientHeaders: [] as readonly string[] } as HeaderRoute['policy'],
  requestHeaders: { remove: [], set: [] },
}

const rules = new TypeRules(new Map())

it.each<[string, (name: string) => unknown]>([
  ['names of headers', (name) => isDropped(name, new Map(), ROUTE)],
  ['event types', (name) => rules.ruleOf(name)],
])('%s', (_name, see) => {
  const before = heapBytes()
  // A name of its own, not a part of another text.
  for (let n = 0; n < COUNT; n += 1) see(Buffer.from(`x-${n}-`.padEnd(CHARS, 'x')).toString('latin1'))
  expect(heapBytes() - before).toBeLessThan((COUNT * CHARS) / 4)
})
