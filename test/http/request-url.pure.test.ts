import { describe, expect, it } from 'vitest'
import { parseRequestUrl } from '../../src/http/request/request-url.ts'
import { createRandom } from '../../scripts/random.ts'

const PARTS = [
  'a',
  'B9',
  '.',
  '..',
  '/',
  '//',
  '%2e',
  '%2E%2e',
  '%41',
  '\\',
  ';v=1',
  '@me',
  "'",
  '"',
  '|',
  ' ',
  'é',
  '~',
  '?',
  '#',
  ':',
]
const ORIGINS = [
  'http://api.test',
  'https://API.test',
  'http://api.test:80',
  'http://127.0.0.1:8080',
  'http://[::1]:8080',
]

describe('the URL of a request', () => {
  it('has the path, host and scheme of the URL standard, however it is written', () => {
    const random = createRandom(16).next
    const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? ''
    for (let n = 0; n < 20_000; n += 1) {
      const text = `${pick(ORIGINS)}/${Array.from({ length: Math.floor(random() * 7) }, () => pick(PARTS)).join('')}`
      const { host, pathname, protocol } = new URL(text)
      const scheme = protocol.slice(0, -1)
      expect({ text, ...parseRequestUrl(text) }).toMatchObject({ text, host, path: pathname, scheme })
    }
  })

  it('has the query as the client wrote it', () => {
    expect(parseRequestUrl("http://api.test/a?q='x'&y=%7e")?.search).toBe("?q='x'&y=%7e")
    expect(parseRequestUrl('http://api.test/a?')?.search).toBe('?')
    expect(parseRequestUrl('http://api.test/%41?')?.search).toBe('?')
    expect(parseRequestUrl('http://api.test/%41?x#?y')?.search).toBe('?x')
    expect(parseRequestUrl('http://api.test/%41#?y')?.search).toBe('')
  })

  it('is refused if the host is none', () => {
    expect(parseRequestUrl('http://a b/plain')).toBeUndefined()
    expect(parseRequestUrl('http://api.test:99999/plain')).toBeUndefined()
  })
})
