// SECURITY.md names the test that holds each line of the threat model: the files must exist.
import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const root = new URL('../', import.meta.url)
const markdown = readFileSync(new URL('SECURITY.md', root), 'utf8')

it('every line of the threat model names a test that exists', () => {
  const lines = markdown.split('\n').filter((line) => /^\| (?!what|---)/.test(line))
  expect(lines.length).toBeGreaterThan(20)
  for (const line of lines) {
    const files = [...line.matchAll(/\]\((test\/[^)]+)\)/g)].map(([, file = '']) => file)
    expect([line, files.length > 0 && files.every((file) => existsSync(new URL(file, root)))]).toEqual([line, true])
  }
})
