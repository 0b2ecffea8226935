// deploy/prometheus and deploy/grafana with a real Prometheus: it scrapes a Rigel that is used, by the configuration that is
// shipped, loads the alerts, and answers every query of the dashboard as Grafana asks it. Grafana itself is not in Debian:
// its part, the drawing, is not tested. Needs Debian's prometheus (with promtool). Run: npm run test:monitoring
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { connectRigelSocket, connectSse, type Client } from '../e2e/clients.ts'
import { freePort, Rigel, until } from '../e2e/rigel.ts'

/** The value in .dev.vars.example. */
const INTERNAL_TOKEN = 'a-development-token'
const TYPE = 'com.monitored'
/** Grafana computes it from the scrape interval: four of them at least. */
const RATE_INTERVAL = '1m'

interface Dashboard {
  readonly panels: readonly {
    readonly title: string
    readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string }[]
  }[]
}
interface PrometheusConfig {
  readonly scrape_configs: [Record<string, unknown> & { authorization: { credentials_file: string } }]
  readonly rule_files: string[]
}
interface Series {
  readonly metric: Readonly<Record<string, string>>
}

const deployed = (path: string) => fileURLToPath(new URL(`../../deploy/${path}`, import.meta.url))
const dashboard = JSON.parse(readFileSync(deployed('grafana/rigel.json'), 'utf8')) as Dashboard
const queries = dashboard.panels.flatMap(({ targets = [], title }) => targets.map((target) => ({ title, ...target })))

/** No series where nothing is wrong: no produce has failed. */
const EMPTY = 'rig_produced_events_failed_total'

const folder = mkdtempSync(join(tmpdir(), 'rigel-prometheus-'))
const clients: Client[] = []
let rigel: Rigel
let prometheus: ChildProcess
let origin = ''
let output = ''

before(async () => {
  const shop = { id: 'shop', target: 'http://127.0.0.1:1', routes: { 'GET /books': {} } }
  rigel = await Rigel.start({ METRICS_PUSH_SECONDS: '1', PROXY_CONFIG: JSON.stringify([shop]) })
  const token = await rigel.mintToken('alice')
  const options = { origin: rigel.origin, user: 'alice', token, types: [TYPE], addressedTypes: [] }
  clients.push(connectSse(options), connectRigelSocket(options))
  await use()
  const port = await freePort()
  origin = `http://127.0.0.1:${port}`
  writeFileSync(join(folder, 'prometheus.yml'), toConfig())
  const args = ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`]
  prometheus = spawn('prometheus', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  prometheus.stderr?.on('data', (chunk) => (output += String(chunk)))
  process.once('exit', () => prometheus.kill('SIGKILL'))
  await until('Prometheus is ready', async () => (await fetch(`${origin}/-/ready`).catch(() => undefined))?.ok === true)
})

after(async () => {
  for (const client of clients) client.close()
  prometheus?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  await rigel?.end()
})

void test('each alert fires for what it is about, and none in a Rigel where nothing is wrong', () => {
  execFileSync('promtool', ['test', 'rules', 'alerts.test.yml'], { cwd: import.meta.dirname, stdio: 'pipe' })
})

void test('the configuration and the alerts are valid', () => {
  execFileSync('promtool', ['check', 'config', join(folder, 'prometheus.yml')], { stdio: 'pipe' })
  execFileSync('promtool', ['check', 'metrics'], { input: '', stdio: 'pipe' })
})

void test('it scrapes Rigel, by the token in a file', async () => {
  await until('the target is up', async () => (await query('up{job="rigel"} == 1')).length === 1, 30_000)
})

void test('every alert is evaluated without an error', async () => {
  interface Group {
    readonly rules: readonly { readonly name: string; readonly health: string; readonly lastError?: string }[]
  }
  const rules = async () =>
    (await ask<{ readonly groups: readonly Group[] }>('rules')).groups.flatMap((group) => group.rules)
  await until('all are evaluated', async () => (await rules()).every(({ health }) => health !== 'unknown'), 30_000)
  const names = (
    parse(readFileSync(deployed('prometheus/alerts.yml'), 'utf8')) as { groups: { rules: { alert: string }[] }[] }
  ).groups.flatMap((group) => group.rules.map(({ alert }) => alert))
  assert.deepEqual(
    (await rules()).map(({ health, name }) => [name, health]),
    names.map((name) => [name, 'ok']),
  )
})

void test(
  'every query of the dashboard is answered, with the labels of its legend',
  { timeout: 120_000 },
  async (t) => {
    // Rates need two scrapes.
    await until('there is a rate', async () => {
      await use()
      return (await query(`sum(rate(rig_consumed_events_total[${RATE_INTERVAL}])) > 0`)).length > 0
    })
    for (const { expr, legendFormat = '', title } of queries) {
      await t.test(`${title}: ${expr}`, async () => {
        const run = () => query(expr.replaceAll('$__rate_interval', RATE_INTERVAL))
        let found = await run()
        // Objects push their figures one by one, so a series may be a scrape later than others.
        if (!expr.includes(EMPTY))
          await until('there are series', async () => {
            if (found.length === 0) await use()
            found = await run()
            return found.length > 0
          })
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label)
        for (const { metric } of found) {
          assert.deepEqual(
            labels.filter((label) => !(label in metric)),
            [],
            JSON.stringify(metric),
          )
        }
      })
    }
  },
)

/** The shipped configuration, but for the host, the token’s file, the scheme and the intervals. */
function toConfig(): string {
  const config = parse(readFileSync(deployed('prometheus/prometheus.yml'), 'utf8')) as PrometheusConfig
  const [scrape] = config.scrape_configs
  writeFileSync(join(folder, 'token'), INTERNAL_TOKEN)
  const changes = { scheme: 'http', scrape_interval: '1s', scrape_timeout: '1s' }
  return stringify({
    global: { evaluation_interval: '1s' },
    rule_files: config.rule_files.map((file) => deployed(`prometheus/${file}`)),
    scrape_configs: [
      {
        ...scrape,
        ...changes,
        authorization: { credentials_file: join(folder, 'token') },
        static_configs: [{ targets: [`localhost:${rigel.port}`] }],
      },
    ],
  })
}

/** Events, one of them no CloudEvent; proxied requests; a refusal, a revocation, and a connection that ends. */
async function use(): Promise<void> {
  const event = { specversion: '1.0', id: crypto.randomUUID(), source: '/e2e', type: TYPE }
  await rigel.kafka.producer().produceMany([
    { topic: 'rig', value: event },
    { topic: 'rig', value: 'no event' },
  ])
  const authorization = `Bearer ${INTERNAL_TOKEN}`
  const headers = { authorization, 'content-type': 'application/cloudevents+json' }
  const published = await fetch(`${rigel.origin}/_rig/api/v3/messages`, {
    method: 'POST',
    headers,
    body: JSON.stringify(event),
  })
  assert.equal(published.status, 202)
  await fetch(`${rigel.origin}/books`)
  await fetch(`${rigel.origin}/nowhere`)
  await fetch(`${rigel.origin}/_rig/v1/connection/sse?jwt=no-token`)
  const revocation = JSON.stringify({ sessionId: crypto.randomUUID(), validityInSeconds: 60 })
  await fetch(`${rigel.origin}/_rig/api/v3/session-blacklist`, { method: 'POST', headers, body: revocation })
  const { body } = await fetch(`${rigel.origin}/_rig/v1/connection/sse`)
  await body?.cancel()
}

async function query(expr: string): Promise<readonly Series[]> {
  return (await ask<{ readonly result: readonly Series[] }>('query', { query: expr })).result
}

async function ask<T>(path: string, form: Readonly<Record<string, string>> = {}): Promise<T> {
  const init = path === 'query' ? { method: 'POST', body: new URLSearchParams(form) } : {}
  const response = await fetch(`${origin}/api/v1/${path}`, init)
  const answer = (await response.json()) as { readonly data: T; readonly error?: string }
  assert.equal(response.status, 200, `${answer.error ?? ''}\n${output}`)
  return answer.data
}
