// SECURITY.md names the test that holds each line of the threat model: the files must exist.
import { expect, it } from 'vitest'
import markdown from '../SECURITY.md?raw'

const tests = import.meta.glob<string>('./**/*.test.ts', { query: '?raw', import: 'default', eager: true })

it('every line of the threat model names a test that exists', () => {
  const lines = markdown.split('\n').filter((line) => /^\| (?!what|---)/.test(line))
  expect(lines.length).toBeGreaterThan(20)
  for (const line of lines) {
    const files = [...line.matchAll(/\]\(test\/([^)]+)\)/g)].map(([, file = '']) => `./${file}`)
    expect([line, files.length > 0 && files.every((file) => Object.hasOwn(tests, file))]).toEqual([line, true])
  }
})
