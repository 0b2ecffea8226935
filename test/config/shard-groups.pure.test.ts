// SHARD_GROUPS: what is refused, with which words, and which group a client belongs to.
import { describe, expect, it } from 'vitest'
import { groupFor, type ShardGroup } from '../../src/config/operation/shard-groups.ts'
import { parseConfig } from '../../src/config/parse-config.ts'
import { groupNumber } from '../../src/core/shard-map/shard-number.ts'

const EU = { name: 'eu', location: 'weur', claim: { '/region': ['eu', 'ch'] }, continents: ['EU'] }
const US = { name: 'us', location: 'enam', continents: ['NA', 'SA'] }
const REST = { name: 'rest' }

function problemsOf(groups: unknown, more: object = {}): readonly string[] {
  const text = typeof groups === 'string' ? groups : JSON.stringify(groups)
  const config = parseConfig({ SHARD_GROUPS: text, ...more })
  return config.ok ? [] : config.reason
}

function groupsOf(groups: readonly object[]): readonly ShardGroup[] {
  const config = parseConfig({ SHARD_GROUPS: JSON.stringify(groups) })
  if (!config.ok) throw new Error(config.reason.join('; '))
  return config.value.placement.groups
}

describe('bad groups', () => {
  it.each([
    ['eu', 'SHARD_GROUPS: must be JSON, got "eu"'],
    [[], 'SHARD_GROUPS: must have at least the group for everybody'],
    [[{ ...EU, location: 'europe' }, REST], 'SHARD_GROUPS: in item 1, location: must be one of wnam, enam'],
    [[{ ...US, continents: ['America'] }, REST], 'SHARD_GROUPS: in item 1, continents, item 1: must be of AF, AN'],
    [
      [{ ...US, continents: [] }, REST],
      'SHARD_GROUPS: in item 1, continents: must be a list of at least one continent',
    ],
    [[{ ...EU, claim: { region: ['eu'] } }, REST], 'must have JSON pointers such as "/region", got "region"'],
    [
      [{ ...EU, claim: { '/region': 'eu' } }, REST],
      'SHARD_GROUPS: in item 1, claim, /region: must be a list of values',
    ],
    [[{ ...EU, claim: {} }, REST], 'SHARD_GROUPS: in item 1, claim: must have a pointer to a claim, such as "/region"'],
    [[{ ...EU, name: 'EU!' }, REST], 'SHARD_GROUPS: in item 1, name: must be 1 to 32 lower-case letters'],
    [[{ ...EU, region: 'eu' }, REST], 'region'],
    [[EU, { ...US, name: 'eu' }, REST], 'SHARD_GROUPS: has two groups "eu"'],
    [[EU, { ...US, continents: ['EU'] }, REST], 'SHARD_GROUPS: has the continent EU in two groups'],
    [[EU, { name: 'us' }, REST], 'SHARD_GROUPS: must have claim or continents in "us": only the last group is for'],
    [[EU, US], 'SHARD_GROUPS: must have no continents in its last group, which is for all others'],
    ['[{"name":"eu","name":"us"}]', 'SHARD_GROUPS: has "name" twice in one object'],
  ])('%j: %s', (groups, problem) => {
    const problems = problemsOf(groups)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(problem)
  })

  it('are too many shards altogether', () => {
    expect(problemsOf([EU, US, REST], { SHARDS: '2730' })).toEqual([])
    expect(problemsOf([EU, US, REST], { SHARDS: '2731' })).toEqual([
      'SHARDS: must be 2730 at most with 3 groups of shards: 8192 altogether, got 2731',
    ])
  })
})

describe('the group of a client', () => {
  const groups = groupsOf([EU, US, { ...REST, claim: { '/region': ['rest'] } }])
  const [eu, us] = [groupNumber('eu'), groupNumber('us')]

  it.each([
    ['by a claim', { region: 'eu' }, 'NA', eu],
    ['by another value of it', { region: 'ch' }, undefined, eu],
    ['by one of its items', { region: ['us', 'ch'] }, undefined, eu],
    ['by a claim of the last group', { region: 'rest' }, 'EU', 0],
    ['by the continent, without a claim that fits', { region: 'jp' }, 'SA', us],
    ['by the continent, without a token', {}, 'EU', eu],
    ['the last one otherwise', {}, 'AS', 0],
    ['the last one where the continent is not known', {}, undefined, 0],
    ['not by an object', { region: { eu: 1 } }, undefined, 0],
    ['not by a list in a list', { region: [['eu']] }, undefined, 0],
    ['not by another case of the letters, or a longer text', { region: ['EU', 'eu '] }, undefined, 0],
  ])('is found %s', (_, claims, continent, number) => {
    expect(groupFor(groups, claims, continent)).toBe(number)
  })

  it.each([
    ['a number', { region: 5 }],
    ['a boolean', { region: true }],
    ['null', { region: null }],
    ['an inherited member', {}],
  ])('is not found by %s that reads like a value', (_, claims) => {
    const odd = groupsOf([
      { name: 'odd', claim: { '/region': ['5', 'true', 'null'] } },
      { name: 'inherited', claim: { '/constructor/name': ['Object'] } },
      REST,
    ])
    expect(groupFor(odd, claims, undefined)).toBe(0)
  })

  it('needs all claims that a group names', () => {
    const both = groupsOf([{ name: 'eu', claim: { '/region': ['eu'], '/org/plan': ['paid'] } }, REST])
    expect(groupFor(both, { region: 'eu' }, undefined)).toBe(0)
    expect(groupFor(both, { region: 'eu', org: { plan: 'paid' } }, undefined)).toBe(eu)
  })
})
