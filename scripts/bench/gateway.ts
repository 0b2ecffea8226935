// The API gateway: a request to a service and back, through Rigel; through a bare `fetch` in the same workerd; through
// nginx; and without any of them. And whether it takes longer with more routes.
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { alternate, inTurns, millisecondsOf, quantileOf, quick, type Figure } from './figure.ts'
import { startReverseProxy, startService } from './nginx.ts'
import { startRig, type Rig } from './rig.ts'
import { load } from './wrk.ts'

const SAMPLES = quick ? 500 : 5_000
/** Until what runs in workerd is compiled. */
const WARM_UP = 500
const ROUTE_COUNTS = [1, 100, 10_000] as const
const ROUTES_PER_API = 10

export async function gateway(): Promise<readonly Figure[]> {
  const service = await startService()
  const nginx = await startReverseProxy(service.origin)
  const rigs = new Map<number, Rig>()
  for (const count of ROUTE_COUNTS) rigs.set(count, await startRig(variablesFor(service.origin, count)))
  const originOf = (count: number) => rigs.get(count)?.origin ?? ''
  try {
    return [
      ...(await besideOthers({
        rigel: originOf(100),
        bare: `${originOf(100)}/bench/pass`,
        nginx: nginx.origin,
        direct: service.origin,
      })),
      await cpuBesideBare(rigs.get(100)),
      ...(await byRoutes(originOf)),
    ]
  } finally {
    for (const one of [service, nginx, ...rigs.values()]) one.stop()
  }
}

type Way = 'rigel' | 'bare' | 'nginx' | 'direct'
const RIGEL_FIRST: readonly Way[] = ['rigel', 'bare', 'nginx', 'direct']
const BARE_FIRST: readonly Way[] = ['bare', 'rigel', 'nginx', 'direct']

async function besideOthers(urls: Readonly<Record<Way, string>>): Promise<readonly Figure[]> {
  const rates = await ratesOf(urls)
  const took = await latenciesOf(urls)
  /** Beyond what the service itself takes. */
  const added = (way: Way, quantile: number) => quantileOf(took[way], quantile) - quantileOf(took.direct, quantile)
  const beside = (name: string, other: 'bare' | 'nginx', goal?: { readonly rate: number; readonly p99: number }) => [
    row(`proxied, beside ${name}`, 'requests/s', rates.rigel, rates[other], goal?.rate),
    row(`added by the proxy, p50, beside ${name}`, 'ms', added('rigel', 0.5), added(other, 0.5)),
    row(`added by the proxy, p99, beside ${name}`, 'ms', added('rigel', 0.99), added(other, 0.99), goal?.p99),
  ]
  return [...beside('a bare fetch', 'bare', { rate: 0.7, p99: 1.5 }), ...beside('nginx', 'nginx')]
}

async function ratesOf(urls: Readonly<Record<Way, string>>): Promise<Readonly<Record<Exclude<Way, 'direct'>, number>>> {
  const ask = (way: Way) => async () => (await load(urls[way], 100)).perSecond
  const taken = await inTurns({ rigel: ask('rigel'), bare: ask('bare'), nginx: ask('nginx') })
  return { rigel: median(taken.rigel), bare: median(taken.bare), nginx: median(taken.nginx) }
}

/** The figure to trust on a machine that others use: CPU of workerd, whatever the rate. */
async function cpuBesideBare(rig: Rig | undefined): Promise<Figure> {
  if (rig === undefined) throw new Error('there is no Rigel of 100 routes')
  const cost = (url: string) => async () => {
    const beforeMs = rig.cpuMs()
    const { requests } = await load(url, 100)
    return ((rig.cpuMs() - beforeMs) / requests) * 1_000
  }
  const { bare, rigel } = await alternate({ rigel: cost(rig.origin), bare: cost(`${rig.origin}/bench/pass`) })
  return row('CPU of a proxied request, beside a bare fetch', 'µs', rigel, bare, 1.4)
}

/**
 * One request at a time, each way in turn: what else the machine does meets all of them. Rigel and the bare `fetch` take turns in
 * going first: the first that comes after workerd was idle takes longer.
 */
async function latenciesOf(urls: Readonly<Record<Way, string>>): Promise<Readonly<Record<Way, readonly number[]>>> {
  const took: Record<Way, number[]> = { rigel: [], bare: [], nginx: [], direct: [] }
  const agent = new Agent({ keepAlive: true })
  for (let n = 0; n < WARM_UP + SAMPLES; n += 1) {
    for (const way of n % 2 === 0 ? RIGEL_FIRST : BARE_FIRST) {
      const url = `${urls[way]}/service-${Math.floor((n % 100) / 10)}/resource-${n % 10}/${n}`
      const ms = await millisecondsOf(() => askOnce(url, agent))
      if (n >= WARM_UP) took[way].push(ms)
    }
  }
  agent.destroy()
  return took
}

async function askOnce(url: string, agent: Agent): Promise<void> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode}`)
  response.resume()
  await once(response, 'end')
}

/** Rigel beside itself with one route. */
async function byRoutes(originOf: (count: number) => string): Promise<readonly Figure[]> {
  const rate = (routes: number) => async () => (await load(originOf(routes), routes)).perSecond
  const [one, some, many] = ROUTE_COUNTS
  const taken = await inTurns({ one: rate(one), some: rate(some), many: rate(many) })
  const rates = { one: median(taken.one), some: median(taken.some), many: median(taken.many) }
  return [
    row(`${some} routes, beside one`, 'requests/s', rates.some, rates.one),
    row(`${many.toLocaleString('en')} routes, beside one`, 'requests/s', rates.many, rates.one),
  ]
}

function median(values: readonly number[]): number {
  return quantileOf(values, 0.5)
}

function row(figure: string, unit: string, rigel: number, bare: number, goal?: number): Figure {
  return { figure, rigel, bare, unit, ...(goal === undefined ? {} : { goal }) }
}

/** The paths that routes.lua asks for. */
function variablesFor(service: string, count: number): Readonly<Record<string, string>> {
  const apis = Array.from({ length: Math.ceil(count / ROUTES_PER_API) }, (_, n) => {
    const routes = Array.from({ length: Math.min(ROUTES_PER_API, count - n * ROUTES_PER_API) }, (__, m) => [
      `GET /service-${n}/resource-${m}/{id}`,
      {},
    ])
    return { id: `service-${n}`, target: service, routes: Object.fromEntries(routes) as object }
  })
  // With a token definitions can be made at run time: the Directory is then asked for changes, as where people use it.
  return { PROXY_CONFIG: JSON.stringify(apis), INTERNAL_TOKEN: 'a-token-of-the-bench', PASS_TO: service }
}
