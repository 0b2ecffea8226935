// JSON that passes structured clone: what comes out is what went in, digit by digit.
import { expect, it } from 'vitest'
import { stringifyCloneable, toCloneable } from '../../../src/core/identity/cloneable-claims.ts'
import { parseJson } from '../../../src/core/json.ts'

it.each([
  '{"id":9007199254740993,"parts":[1,2.5,123456789012345678901234567890]}',
  '{"phone":{"number":"+49 30 1"},"$numbers":1}',
  '{"$number":"9007199254740993"}',
  '{"$$number":{"$number":[9007199254740993]}}',
  '[null,true,"9007199254740993",{}]',
])('%s', (text) => {
  expect(stringifyCloneable(structuredClone(toCloneable(parseJson(text))))).toBe(text)
})
