import { describe, expect, it } from 'vitest'
import { decodeQueryText, parametersOf, queryParameter } from '../../src/http/request/query.ts'
import { createRandom } from '../../scripts/random.ts'

const PARTS = ['a', 'b', '=', '&', '?', '#', '+', '%20', '%26', '%3D', '%zz', '%', '%C3%A9', '%FF', 'é', "'", '"']

describe('the query of a request', () => {
  it('has the parameters of the URL standard, however it is written', () => {
    const random = createRandom(17).next
    const pick = () => PARTS[Math.floor(random() * PARTS.length)] ?? ''
    for (let n = 0; n < 20_000; n += 1) {
      const text = `http://api.test/p?${Array.from({ length: Math.floor(random() * 9) }, pick).join('')}`
      const read = parametersOf(text).map(([name, value]) => [name, decodeQueryText(value)])
      expect({ text, read }).toEqual({ text, read: [...new URL(text).searchParams] })
      expect({ text, a: queryParameter(text, 'a') }).toEqual({ text, a: new URL(text).searchParams.get('a') })
    }
  })

  it('may be missing, and a fragment is no part of it', () => {
    expect(parametersOf('http://api.test/p')).toEqual([])
    expect(parametersOf('http://api.test/p#a?b=1')).toEqual([])
  })
})
