// `npm run explain -- <topic>/<partition>/<offset> [user]`, or the id of an event: why did the user get it, or why not? Asks
// GET /_rig/api/v1/explain of RIGEL_URL (http://localhost:8787) with INTERNAL_TOKEN (of .dev.vars). `--json` prints the whole
// answer. Exits 1 if the user did not get it, 2 if the question cannot be answered. docs/explain.md has the causes.
import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

interface Connection {
  readonly connectionToken: string
  readonly transport: string
  readonly openedAtMs: number
  readonly ended: object | null
  readonly isAssumed: boolean
  readonly text: string
}

interface Answer {
  readonly type?: string
  readonly recipients?: string | readonly string[]
  readonly rule?: string | null
  readonly shard?: number
  readonly log?: { readonly kind: string; readonly seq?: number }
  readonly shards?: readonly {
    readonly shard: number
    readonly log: { readonly kind: string }
    readonly matched: number
  }[]
  readonly connections?: readonly Connection[]
  readonly verdict?: string
  readonly text?: string
}

const words = process.argv.slice(2).filter((word) => word !== '--json')
const [event, user] = words
const isMistaken = words.length > 2 || words.some((word) => word.startsWith('--'))
if (event === undefined || isMistaken)
  exit('npm run explain -- [--json] <topic>/<partition>/<offset> or <event id> [user]; RIGEL_URL names another Rigel')

const variables = existsSync('.dev.vars') ? parseEnv(readFileSync('.dev.vars', 'utf8')) : {}
const url = process.env['RIGEL_URL'] ?? 'http://localhost:8787'
const token = (process.env['INTERNAL_TOKEN'] ?? variables['INTERNAL_TOKEN'] ?? '').split(',')[0] ?? ''
const query = new URLSearchParams({ event, ...(user === undefined ? {} : { user }) })

const response = await fetch(`${url}/_rig/api/v1/explain?${query}`, {
  headers: { authorization: `Bearer ${token}` },
}).catch((error: unknown) => exit(`${url} does not answer: ${String(error)}`))
const text = await response.text()
if (!response.ok) exit(`${response.status}: ${text}`)
const answer = JSON.parse(text) as Answer
console.log(process.argv.includes('--json') ? JSON.stringify(answer, null, 2) : lines(answer).join('\n'))
process.exitCode = answer.verdict === undefined || answer.verdict === 'received' ? 0 : 1

function lines(found: Answer): readonly string[] {
  const { connections = [], log, recipients, rule, shard, shards = [], type } = found
  return [
    ...(type === undefined
      ? []
      : [`event       ${type}, for ${show(recipients)}${rule ? `, by the rule ${rule}` : ''}`]),
    ...(shard === undefined ? [] : [`shard       ${shard}: ${log?.kind} ${log?.seq ?? ''}`]),
    ...shards.map((one) => `shard       ${one.shard}: ${one.log.kind}, passes to ${one.matched} open connections`),
    ...connections.map((one) => `connection  ${describe(one)}`),
    ...(found.verdict === undefined ? [] : [`${found.verdict}: ${found.text ?? ''}`]),
  ]
}

function describe({ ended, isAssumed, openedAtMs, text: why, transport }: Connection): string {
  const state = ended === null ? 'open' : 'ended'
  const note = isAssumed ? ' (The shard has slept since: its subscriptions of now are assumed.)' : ''
  return `${transport}, ${state}, opened ${new Date(openedAtMs).toISOString()}: ${why}${note}`
}

function show(recipients: Answer['recipients']): string {
  return typeof recipients === 'string' || recipients === undefined ? (recipients ?? 'nobody') : recipients.join(', ')
}

function exit(message: string): never {
  console.error(message)
  process.exit(2)
}
