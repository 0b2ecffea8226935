import { describe, expect, it } from 'vitest'
import { mergeApis } from '../../src/api-definitions/api-record.ts'

const made = (id: string, document: Readonly<Record<string, unknown>> = { id, made: true }) => ({
  id,
  document,
  version: 3,
  updatedMs: 1,
})

describe('API definitions made at run time', () => {
  it('stand in the place of those that are deployed under the same id, and after all others', () => {
    const merged = mergeApis([{ id: 'a' }, { id: 'b' }], [made('c'), made('b')])
    expect(merged.map(({ id, version, updatedMs }) => [id, version, updatedMs])).toEqual([
      ['a', 0, null],
      ['b', 3, 1],
      ['c', 3, 1],
    ])
    expect(merged[1]?.document).toEqual({ id: 'b', made: true })
  })

  it('leave what is deployed as it is, whatever was deployed when they were made', () => {
    const before = mergeApis([{ id: 'a', name: 'before' }], [made('b')])
    const after = mergeApis([{ id: 'a', name: 'after' }], [made('b')])
    expect([before[0]?.document, after[0]?.document]).toEqual([
      { id: 'a', name: 'before' },
      { id: 'a', name: 'after' },
    ])
  })

  it('are found beside deployed documents that are none', () => {
    expect(mergeApis([null, 7, { id: 7 }, 'x', []], [made('a')]).map(({ id }) => id)).toEqual(['a'])
  })
})
