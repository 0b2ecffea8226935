// `npm run doctor`: checks a configuration and the servers that it names: variables, bindings, brokers, topics, ACLs,
// schema registry, key set, upstreams. Prints what is wrong and what to do, and exits with 1 if there is a problem.
// Changes nothing.
//   npm run doctor -- [--env staging] [--vars FILE] [--config wrangler.toml] [--url https://rigel.example.com]
// --env: that environment of wrangler, as it would be deployed. --vars: a file with its secrets (.dev.vars without
// --env). --url: also checks the health of a running Rigel. Servers are called from this machine; a Worker may reach
// fewer.
import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { unstable_readConfig as readConfig } from 'wrangler'
import { exit, readCommandLine } from './command-line.ts'
import type { Config } from '../src/config/parse-config.ts'
import { checkBrokers } from './doctor/check-brokers.ts'
import { checkServices } from './doctor/check-http.ts'
import { checkRest, checkUpstash } from './doctor/check-rest.ts'
import { checkKinesis, checkNats } from './doctor/check-sources.ts'
import { checkVariables, checkWrangler, toEnv } from './doctor/check-variables.ts'
import { messageOf, ok, problem, render, summarise, type Finding } from './doctor/finding.ts'
import { routesOf, topicsInUse, type TopicUse } from './doctor/topics-in-use.ts'

const { values: flags } = readCommandLine(
  'npm run doctor -- [--env staging] [--vars FILE] [--config wrangler.toml] [--url https://rigel.example.com]',
  {
    options: {
      env: { type: 'string' },
      vars: { type: 'string' },
      config: { type: 'string', default: 'wrangler.toml' },
      url: { type: 'string' },
    },
  },
)

if (!existsSync(flags.config)) exit(`--config: there is no file ${flags.config}`)
process.env['CLOUDFLARE_API_TOKEN'] = ''
process.env['WRANGLER_LOG'] = 'error'
const wrangler = readWranglerConfig()
const varsFile = flags.vars ?? (flags.env === undefined && existsSync('.dev.vars') ? '.dev.vars' : undefined)
if (varsFile !== undefined && !existsSync(varsFile))
  exit(`--vars: there is no file ${varsFile}: it has the secrets, one a line, NAME=value`)
const variables = varsFile === undefined ? {} : (parseEnv(readFileSync(varsFile, 'utf8')) as Record<string, string>)
const env = toEnv(wrangler, variables)
console.log(
  `${flags.config}${flags.env === undefined ? '' : `, env.${flags.env}`}${varsFile === undefined ? ', without secrets (--vars FILE)' : `, ${varsFile}`}\n`,
)

const { config, findings } = checkVariables(env, flags.env !== undefined)
const all: Finding[] = [...findings, ...checkWrangler(wrangler)]
for (const finding of all) console.log(render(finding))
if (config !== undefined) {
  const routes = routesOf(config, env)
  print(await checkKafka(config, topicsInUse(config, routes)))
  if (config.nats !== null) print(await checkNats(config.nats))
  print(await checkKinesis(config.kinesis))
  print(await checkServices(config, routes))
}
if (flags.url !== undefined) print([await checkRunning(flags.url)])
console.log(`\n${summarise(all)}`)
process.exit(all.some(({ level }) => level === 'problem') ? 1 : 0)

function readWranglerConfig(): ReturnType<typeof readConfig> {
  try {
    return readConfig({ config: flags.config, ...(flags.env === undefined ? {} : { env: flags.env }) })
  } catch (error) {
    return exit(messageOf(error))
  }
}

function print(more: readonly Finding[]): void {
  all.push(...more)
  for (const finding of more) console.log(render(finding))
}

async function checkKafka({ kafka }: Config, uses: readonly TopicUse[]): Promise<readonly Finding[]> {
  const { brokers, groupId, rest, upstash } = kafka
  if (brokers !== null) return checkBrokers({ brokers, groupId, uses })
  if (rest !== null) return checkRest(rest, uses)
  return upstash === null ? [ok('Kafka', 'the embedded log: there is nothing to reach')] : checkUpstash(upstash, uses)
}

async function checkRunning(url: string): Promise<Finding> {
  const health = new URL('/_rig/health', url)
  try {
    const response = await fetch(health, { signal: AbortSignal.timeout(10_000) })
    const text = (await response.text()).trim()
    if (response.ok && text === 'OK') return ok(health.href, 'OK')
    return problem(health.href, `${response.status} ${text}`, 'correct what it names')
  } catch (error) {
    return problem(health.href, messageOf(error), 'is Rigel deployed there?')
  }
}
