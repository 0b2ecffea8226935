// Deploying: the bindings of wrangler's environments, a gradual rollout, and the text of a release.
import { describe, expect, it } from 'vitest'
import { parseSteps, rollOut } from '../../scripts/deploy/rollout.ts'
import { withEnvironments } from '../../scripts/environments/environments-block.ts'
import { isNewer, releaseChangelog } from '../../scripts/release/changelog.ts'
import { overrides } from '../../package.json'

describe('the environments of wrangler.toml', () => {
  const toml = `name = "rigel"
[[durable_objects.bindings]]
# Why.
name = "USER_SHARD"
class_name = "UserShard"

[[migrations]]
tag = "v1"

[[queues.consumers]]
queue = "events"
dead_letter_queue = "dead"

[[ratelimits]]
name = "LIMIT"
namespace_id = "1001"
simple = { limit = 5, period = 60 }

[vars]
A = "1"
`
  const written = withEnvironments(toml)

  it('get the bindings that they do not inherit, with a queue and counts of their own', () => {
    for (const [environment, id] of [
      ['staging', 2001],
      ['production', 3001],
    ]) {
      expect(written).toContain(
        `[[env.${environment}.durable_objects.bindings]]\nname = "USER_SHARD"\nclass_name = "UserShard"\n\n`,
      )
      expect(written).toContain(
        `[[env.${environment}.queues.consumers]]\nqueue = "events-${environment}"\ndead_letter_queue = "dead-${environment}"\n`,
      )
      expect(written).toContain(`[[env.${environment}.ratelimits]]\nname = "LIMIT"\nnamespace_id = "${id}"\nsimple = {`)
    }
    expect(written).not.toMatch(/env\.\w+\.(migrations|vars)/)
    expect(written.startsWith(toml.trimEnd())).toBe(true)
  })

  it('are written anew from the top level, however often', () => {
    expect(withEnvironments(written)).toBe(written)
    expect(withEnvironments(written.replace('name = "USER_SHARD"', 'name = "SHARD"'))).not.toContain('USER_SHARD')
  })
})

const OLD = '11111111-1111-1111-1111-111111111111'
const NEW = '22222222-2222-2222-2222-222222222222'

describe('a gradual deployment', () => {
  function makeDeps(healthAt: (asked: number) => string | undefined, deployed = [OLD]) {
    const calls: string[] = []
    let asked = 0
    const deps = {
      wrangler: async (args: readonly string[]) => {
        calls.push(args.filter((arg) => !arg.startsWith('--')).join(' '))
        if (args[0] === 'deployments')
          return JSON.stringify({ versions: deployed.map((version_id) => ({ version_id })) }, null, 2)
        return args[1] === 'upload' ? `Worker Version ID: ${NEW}` : ''
      },
      healthProblem: async () => healthAt((asked += 1)),
      sleep: async () => undefined,
      say: () => undefined,
    }
    return { calls, deps }
  }
  const rollout = { target: ['--env=production'], steps: [5, 50, 100], pauseMs: 10_000 }

  it('gives the new version more and more of the traffic', async () => {
    const { calls, deps } = makeDeps(() => undefined)
    expect(await rollOut(rollout, deps)).toBeUndefined()
    expect(calls).toEqual([
      'deployments status',
      'versions upload',
      `versions deploy ${NEW}@5 ${OLD}@95`,
      `versions deploy ${NEW}@50 ${OLD}@50`,
      `versions deploy ${NEW}@100`,
    ])
  })

  it('is taken back when health fails', async () => {
    const { calls, deps } = makeDeps((asked) => (asked === 3 ? '/_rig/health answers 500' : undefined))
    expect(await rollOut(rollout, deps)).toMatch(
      /^at 50 %: \/_rig\/health answers 500\. 1{8}-.* has all traffic again$/,
    )
    expect(calls.at(-1)).toBe(`versions deploy ${OLD}@100`)
  })

  it('is refused while another one is under way', async () => {
    const { calls, deps } = makeDeps(() => undefined, [OLD, NEW])
    expect(await rollOut(rollout, deps)).toMatch(/^there is no version that takes all traffic/)
    expect(calls).toEqual(['deployments status'])
  })

  it.each([
    ['5,25,50,100', [5, 25, 50, 100]],
    ['100', [100]],
    ['50,25,100', undefined],
    ['5,50', undefined],
    ['0,100', undefined],
    ['x', undefined],
  ])('has the steps %s: %j', (text, steps) => expect(parseSteps(text)).toEqual(steps))
})

describe('a release', () => {
  it('gives what was unreleased its number and date', () => {
    expect(
      releaseChangelog('# Changelog\n\n## Unreleased\n\n- b\n\n## 0.1.0 (2026-01-01)\n\n- a\n', '0.2.0', '2026-11-27'),
    ).toEqual({
      text: '# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-11-27)\n\n- b\n\n## 0.1.0 (2026-01-01)\n\n- a\n',
    })
    expect(releaseChangelog('# Changelog\n\n## Unreleased\n\n- a\n', '0.1.0', '2026-11-27')).toEqual({
      text: '# Changelog\n\n## Unreleased\n\n## 0.1.0 (2026-11-27)\n\n- a\n',
    })
  })

  it.each([
    ['# Changelog\n', 'CHANGELOG.md has no "## Unreleased"'],
    ['## Unreleased\n\n## 0.1.0 (x)\n', 'CHANGELOG.md has nothing under "## Unreleased"'],
    ['## Unreleased\n\n- a\n\n## 0.2.0 (x)\n', 'CHANGELOG.md has 0.2.0 already'],
  ])('is refused: %j', (text, problem) => expect(releaseChangelog(text, '0.2.0', '2026-11-27')).toEqual({ problem }))

  it.each<[string, string, boolean]>([
    ['0.1.0', '0.1.1', true],
    ['0.9.0', '0.10.0', true],
    ['0.2.0-rc.1', '0.2.0', true],
    ['0.2.0-rc.9', '0.2.0-rc.10', true],
    ['0.1.0', '0.1.0', false],
    ['0.2.0', '0.2.0-rc.1', false],
    ['0.2.0', '0.1.9', false],
    ['0.1.0', 'v0.2.0', false],
    ['0.1.0', '1.0', false],
  ])('after %s may be %s: %s', (current, next, expected) => expect(isNewer(current, next)).toBe(expected))
})

describe('package.json', () => {
  it('overrides versions by reference only: create-cloudflare installs wrangler anew, and npm refuses another version', () => {
    expect(Object.entries(overrides)).toEqual(Object.keys(overrides).map((name) => [name, `$${name}`]))
  })
})
