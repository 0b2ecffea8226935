// `npm run test:openapi`: schemathesis (PyPI) makes requests of what openapi.json says, and of what it does not allow, and checks the
// answers of a Rigel that it starts; scripts/openapi/schemathesis.toml says what it does not check, and why. Needs Python 3 with venv. --junit FILE: a report for .ci/run. --seed N, --examples N.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Rigel } from '../test/e2e/rigel.ts'

/** In .wrangler, which git ignores. */
const VENV = '.wrangler/schemathesis'
const TOKEN = 'a-development-token'
/** A method that a path does not have is 404, as in RIG, and not 405. */
const EXCLUDED = 'unsupported_method'
/** A change to 8,192 shards would keep the machine busy for the rest of the run. */
const EXCLUDED_PATH = '/v1/shards'
/** The endpoints of clients: streams do not end, and schemathesis would look for them below the internal API's prefix. */
const EXCLUDED_PATHS = '^/_rig/'

const { values: flags } = parseArgs({
  options: {
    junit: { type: 'string' },
    seed: { type: 'string', default: '7' },
    examples: { type: 'string', default: '15' },
  },
})

if (!existsSync(`${VENV}/bin/schemathesis`)) {
  run('python3', ['-m', 'venv', VENV])
  run(`${VENV}/bin/pip`, [
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '-r',
    'scripts/openapi/requirements.txt',
  ])
}
const rigel = await Rigel.start({ INTERNAL_TOKEN: TOKEN, METADATA_INDEXES: 'device' })
const status = run(`${VENV}/bin/schemathesis`, [
  '--config-file=scripts/openapi/schemathesis.toml',
  'run',
  `${rigel.origin}/_rig/api/openapi.json`,
  `--header=Authorization: Bearer ${TOKEN}`,
  '--phases=examples,coverage,fuzzing',
  `--exclude-checks=${EXCLUDED}`,
  `--exclude-path=${EXCLUDED_PATH}`,
  `--exclude-path-regex=${EXCLUDED_PATHS}`,
  `--max-examples=${flags.examples}`,
  `--seed=${flags.seed}`,
  '--request-timeout=20',
  '--no-color',
  ...(flags.junit === undefined ? [] : ['--report=junit', `--report-junit-path=${flags.junit}`]),
])
await rigel.end()
process.exit(status)

/** Ends the process if the command cannot be run at all. */
function run(command: string, args: readonly string[]): number {
  const { error, status: code } = spawnSync(command, args, { stdio: 'inherit' })
  if (error !== undefined) throw error
  return code ?? 1
}
