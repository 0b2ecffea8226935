// `npm run release -- 0.2.0`: makes a release. Sets the version (package.json, package-lock.json, the Helm chart,
// CHANGELOG.md), builds into dist/release what is published, commits, tags, and makes the branch `template`. Publishes
// and pushes nothing, but prints the commands. The folder must be clean, and `npm run check` must have passed before.
// --no-commit: only builds.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exit, readCommandLine } from './command-line.ts'
import { makeTemplate } from './release/template.ts'
import { isNewer, releaseChangelog } from './release/changelog.ts'

const OUT = 'dist/release'
const CHART = 'deploy/helm/rigel/Chart.yaml'

const { positionals, values: flags } = readCommandLine('npm run release -- VERSION [--no-commit]', {
  allowPositionals: true,
  options: { 'no-commit': { type: 'boolean', default: false } },
})
const [version = ''] = positionals
const current = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version
if (!isNewer(current, version)) exit(`usage: npm run release -- VERSION, above ${current}, such as 0.2.0 or 0.2.0-rc.1`)
const isDirty = run('git', ['status', '--porcelain']) !== ''
if (isDirty) exit('commit or stash first: a release is what is committed')
const changelog = releaseChangelog(readFileSync('CHANGELOG.md', 'utf8'), version, new Date().toISOString().slice(0, 10))
if ('problem' in changelog) exit(changelog.problem)

writeFileSync('CHANGELOG.md', changelog.text)
run('npm', ['version', version, '--no-git-tag-version', '--allow-same-version'])
writeFileSync(
  CHART,
  readFileSync(CHART, 'utf8')
    .replace(/^version: .+$/m, `version: ${version}`)
    .replace(/^appVersion: .+$/m, `appVersion: ${version}`),
)
build()
if (flags['no-commit']) {
  run('git', ['checkout', '--', 'CHANGELOG.md', 'package.json', 'package-lock.json', CHART])
} else {
  run('git', ['commit', '-am', `build(release): ${version}`])
  run('git', ['tag', '-a', `v${version}`, '-m', `Rigel ${version}`])
  makeTemplate(`template: ${version}`)
}
console.log(`
${OUT} has ${readdirSync(OUT).join(', ')}. To publish:
  git push --follow-tags && git push --force origin template
  npm publish ${OUT}/rigel-client-${version}.tgz
  docker build -t registry.example.com/rigel:${version} dist/workerd && docker push registry.example.com/rigel:${version}
  npm run deploy:gradual -- --env production --url https://rigel.example.com`)

/** The client for npm, the self-hosted build for this platform, the chart, and their checksums. */
function build(): void {
  rmSync(OUT, { recursive: true, force: true })
  mkdirSync(OUT, { recursive: true })
  run('npm', ['run', '-s', 'build:client'])
  run('npm', ['pack', './dist/client', '--pack-destination', OUT])
  run('npm', ['run', '-s', 'build:workerd'])
  const platform = `${process.platform}-${process.arch}`
  const workerd = [
    '-czf',
    join(OUT, `rigel-workerd-${platform}-${version}.tar.gz`),
    '-C',
    'dist',
    '--exclude=workerd/state',
    'workerd',
  ]
  run('tar', workerd)
  run('tar', ['-czf', join(OUT, `rigel-helm-${version}.tgz`), '-C', 'deploy/helm', 'rigel'])
  const sums = readdirSync(OUT).map((file) => {
    const hash = createHash('sha256').update(readFileSync(join(OUT, file)))
    return `${hash.digest('hex')}  ${file}\n`
  })
  writeFileSync(join(OUT, 'SHA256SUMS'), sums.join(''))
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}
