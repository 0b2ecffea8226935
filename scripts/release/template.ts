// Makes the branch `template` of a release, which Cloudflare's "Deploy" button reads. In it, .dev.vars.example has the
// secrets of a deployment instead of the settings of `npm start`. Does not change files of the folder.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SECRETS = 'deploy/cloudflare/secrets.vars'

/** Makes one commit with `message` in the repository at `folder`. */
export function makeTemplate(message: string, folder = '.'): void {
  const indexFolder = mkdtempSync(join(tmpdir(), 'rigel-template-'))
  const env = { ...process.env, GIT_INDEX_FILE: join(indexFolder, 'index') }
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: folder, env, encoding: 'utf8' }).trim()
  try {
    git('read-tree', 'HEAD')
    const secrets = git('rev-parse', `HEAD:${SECRETS}`)
    git('update-index', '--cacheinfo', `100644,${secrets},.dev.vars.example`)
    const commit = git('commit-tree', git('write-tree'), '-m', message)
    git('branch', '--force', 'template', commit)
  } finally {
    rmSync(indexFolder, { recursive: true })
  }
}
