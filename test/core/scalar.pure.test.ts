import { describe, expect, it } from 'vitest'
import { createRandom } from '../../scripts/random.ts'
import { canonicalDecimal, compareDecimals } from '../../src/core/exact-number.ts'
import { toId, toIds } from '../../src/core/identity/user-id.ts'
import { parseJson } from '../../src/core/json.ts'
import {
  compareScalars,
  isSameScalar,
  scalarKey,
  stringifyScalars,
  toScalar,
  type Scalar,
} from '../../src/core/scalar.ts'

const RUNS = 20_000

/** One value as `numerator / 10^scale`, and a text of JSON for it, among the many there are. */
function randomNumber(random: () => number) {
  const digits = 1 + Math.floor(random() * 25)
  let numerator = BigInt(Array.from({ length: digits }, () => Math.floor(random() * 10)).join(''))
  if (random() < 0.3) numerator = 2n ** 53n + BigInt(Math.floor(random() * 4))
  if (random() < 0.3) numerator = -numerator
  const scale = Math.floor(random() * 6)
  return { numerator, scale }
}

function write({ numerator, scale }: ReturnType<typeof randomNumber>, random: () => number): string {
  const extra = Math.floor(random() * 4)
  const sign = numerator < 0n ? '-' : ''
  const digits = String(numerator < 0n ? -numerator : numerator)
  const choice = random()
  if (choice < 0.3) return `${sign}${digits}e${-scale}`
  const padded = digits.padStart(scale + 1, '0')
  const whole = padded.slice(0, padded.length - scale)
  const fraction = padded.slice(padded.length - scale) + '0'.repeat(extra)
  const plain = `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`
  return choice < 0.6 ? plain : `${plain}${random() < 0.5 ? 'E+0' : 'e-0'}`
}

function isEqual(a: ReturnType<typeof randomNumber>, b: ReturnType<typeof randomNumber>): boolean {
  return a.numerator * 10n ** BigInt(b.scale) === b.numerator * 10n ** BigInt(a.scale)
}

const read = (text: string): Scalar => {
  const scalar = toScalar(parseJson(text))
  if (scalar === undefined) throw new Error(`no scalar: ${text}`)
  return scalar
}

describe('a JSON number', () => {
  it('is the same scalar, map key and user as another if and only if the values are equal', () => {
    const random = createRandom(14).next
    for (let run = 0; run < RUNS; run += 1) {
      const a = randomNumber(random)
      const b = random() < 0.4 ? a : randomNumber(random)
      const [textA, textB] = [write(a, random), write(b, random)]
      const isSame = isEqual(a, b)
      const found = [
        isSameScalar(read(textA), read(textB)),
        scalarKey(read(textA)) === scalarKey(read(textB)),
        toId(parseJson(textA)) === toId(parseJson(textB)),
      ]
      expect([textA, textB, ...found]).toEqual([textA, textB, isSame, isSame, isSame])
    }
  })

  it.each([
    '9007199254740993',
    '-9007199254740993',
    '0.1234567890123456789',
    '1e400',
    '-1.5E-333',
    '12345678901234567e5',
  ])('keeps its digits wherever it is: %s', (number) => {
    const places = ['#', ' #', '[#]', '[1,#]', '[\n#]', '{"a":#}', '{"a" :\t#,"b":1}', '{"3e123":"x","a":[[#]]}']
    const texts = places.map((place) => place.replace('#', number))
    expect(texts.map((text) => JSON.stringify(parseJson(text)))).toEqual(
      texts.map((text) => text.replaceAll(/\s/g, '')),
    )
  })

  it('is ordered by its value', () => {
    const random = createRandom(15).next
    for (let run = 0; run < RUNS; run += 1) {
      const [a, b] = [randomNumber(random), randomNumber(random)]
      const difference = a.numerator * 10n ** BigInt(b.scale) - b.numerator * 10n ** BigInt(a.scale)
      const expected = difference === 0n ? 0 : difference < 0n ? -1 : 1
      const [textA, textB] = [write(a, random), write(b, random)]
      const [valueA, valueB] = [read(textA), read(textB)]
      if (typeof valueB !== 'number' && typeof valueB !== 'object') throw new Error('not a number')
      const order = Math.sign(compareScalars(valueA, valueB as number))
      expect([textA, textB, order]).toEqual([textA, textB, expected])
    }
  })

  it('keeps its value through JSON and structured clone', () => {
    const random = createRandom(16).next
    for (let run = 0; run < 5_000; run += 1) {
      const number = randomNumber(random)
      const scalar = read(write(number, random))
      expect(isSameScalar(JSON.parse(JSON.stringify(scalar)) as Scalar, scalar)).toBe(true)
      expect(isSameScalar(structuredClone(scalar), scalar)).toBe(true)
      expect(isSameScalar(read(stringifyScalars(scalar)), scalar)).toBe(true)
    }
  })
})

describe('canonicalDecimal', () => {
  it.each([
    ['1.0', '1'],
    ['1e3', '1000'],
    ['10e-1', '1'],
    ['-0', '0'],
    ['0.000', '0'],
    ['0e999999999', '0'],
    ['1.50', '1.5'],
    ['1e-7', '0.0000001'],
    ['9007199254740993', '9007199254740993'],
    ['1e21', '1000000000000000000000'],
  ])('of %s is %s', (text, decimal) => {
    expect(canonicalDecimal(text)).toBe(decimal)
  })

  it('does not exist for a number of more than 1,000 digits, and is not made to find out', () => {
    expect(canonicalDecimal('1e1000000000')).toBeUndefined()
    expect(canonicalDecimal('1e-1000000000')).toBeUndefined()
    expect(canonicalDecimal('1'.repeat(1_001))).toBeUndefined()
    expect(canonicalDecimal('1'.repeat(1_000))).toBe('1'.repeat(1_000))
  })

  it('takes linear time for a number of many zeros', () => {
    expect(canonicalDecimal(`1.${'0'.repeat(500_000)}`)).toBe('1')
    expect(canonicalDecimal(`1.${'0'.repeat(500_000)}1`)).toBeUndefined()
  })

  it('is of every finite double', () => {
    for (const value of [Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON, -Number.MAX_VALUE, 1e21, 5e-324]) {
      expect(Number(canonicalDecimal(String(value)))).toBe(value)
    }
  })
})

describe('compareDecimals', () => {
  it.each([
    ['-1', '0', -1],
    ['-2', '-1', -1],
    ['2', '10', -1],
    ['0.5', '0.49', 1],
    ['1.5', '1', 1],
    ['-1.5', '-1', -1],
  ])('of %s and %s is %i', (a, b, order) => {
    expect(Math.sign(compareDecimals(a, b))).toBe(order)
  })
})

describe('an id', () => {
  it('of a number is its decimal, the same as of that string', () => {
    expect(toId(parseJson('1'))).toBe(toId('1'))
    expect(toId(parseJson('1.0'))).toBe('1')
    expect(toId(parseJson('1e3'))).toBe('1000')
    expect(toId(parseJson('9007199254740993'))).toBe('9007199254740993')
    expect(toId(parseJson('123456789012345678901234'))).toBe('123456789012345678901234')
  })

  it('of a string is the string: no number is read in it', () => {
    expect(['1.0', '1e3', '007', ' 1', 'a'.repeat(100_000)].map(toId)).toEqual([
      '1.0',
      '1e3',
      '007',
      ' 1',
      'a'.repeat(100_000),
    ])
  })

  it('is not normalized: two ways to write é are two users', () => {
    expect(toId('\u00e9')).not.toBe(toId('e\u0301'))
  })

  it('is neither empty, nor half a character, nor anything but a string or a number', () => {
    expect(['', '\ud800', null, true, [], {}, parseJson('1e1000000000')].map(toId)).toEqual(
      Array.from({ length: 7 }, () => undefined),
    )
  })

  it('is one of a list that is read until one is no id, or its ids are too long', () => {
    const long = parseJson(`[${Array.from({ length: 5_000 }, (_, n) => `${n + 1}e990`).join()}]`) as readonly unknown[]
    expect(toIds([1, '1', 'a'])).toEqual({ ok: true, value: ['1', 'a'] })
    expect([toIds([1, {}, ...long]), toIds([...long, {}])]).toEqual([
      { ok: false, reason: 'invalid' },
      { ok: false, reason: 'too_large' },
    ])
    // One is written out, however often it is in the list.
    expect(toIds(Array.from({ length: 5_000 }, () => long[0]))).toMatchObject({ ok: true, value: { length: 1 } })
  })

  it('of a number that a double holds is what it was before ids were exact, so nobody changes shard', () => {
    const random = createRandom(17).next
    for (let run = 0; run < RUNS; run += 1) {
      const value = Math.floor((random() - 0.5) * 2 ** Math.floor(random() * 53)) / 10 ** Math.floor(random() * 4)
      if (Math.abs(value) < 1e-6 && value !== 0) continue
      expect(toId(value)).toBe(String(value))
    }
  })
})
