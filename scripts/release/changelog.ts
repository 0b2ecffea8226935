// Updates CHANGELOG.md and checks version numbers. Pure. Called by scripts/release.ts.

const UNRELEASED = '## Unreleased'

/**
 * Moves the unreleased changes under `version`. Returns the changelog, or what is wrong with it. `date` is
 * `2026-11-27`.
 */
export function releaseChangelog(
  changelog: string,
  version: string,
  date: string,
): { text: string } | { problem: string } {
  const [before, after] = changelog.split(`${UNRELEASED}\n`)
  if (before === undefined || after === undefined) return { problem: `CHANGELOG.md has no "${UNRELEASED}"` }
  const nextHeading = after.indexOf('\n## ')
  const body = (nextHeading < 0 ? after : after.slice(0, nextHeading)).trim()
  if (body === '') return { problem: `CHANGELOG.md has nothing under "${UNRELEASED}"` }
  if (changelog.includes(`\n## ${version} `)) return { problem: `CHANGELOG.md has ${version} already` }
  const rest = nextHeading < 0 ? '' : after.slice(nextHeading)
  return { text: `${before}${UNRELEASED}\n\n## ${version} (${date})\n\n${body}\n${rest}` }
}

/** Returns whether `next` is a version (https://semver.org, without build metadata) above `current`. */
export function isNewer(current: string, next: string): boolean {
  const [a, b] = [parse(current), parse(next)]
  if (a === undefined || b === undefined) return false
  const at = b.numbers.findIndex((number, index) => number !== a.numbers[index])
  if (at >= 0) return (b.numbers[at] ?? 0) > (a.numbers[at] ?? 0)
  if (a.pre === '' || b.pre === '') return a.pre !== '' && b.pre === ''
  return a.pre.localeCompare(b.pre, 'en', { numeric: true }) < 0
}

function parse(version: string): { readonly numbers: readonly number[]; readonly pre: string } | undefined {
  const match = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([\da-z.-]+))?$/i.exec(version)
  return match === null ? undefined : { numbers: match.slice(1, 4).map(Number), pre: match[4] ?? '' }
}
