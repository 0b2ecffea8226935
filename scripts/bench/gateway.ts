// The API gateway: a request to a service and back, through Rigel; through a bare `fetch` in the same workerd; through
// nginx; and without any of them. And whether it takes longer with more routes.
import { inTurns, quantileOf, quick, type Figure } from './figure.ts'
import { startReverseProxy, startService } from './nginx.ts'
import { startRig, type Rig } from './rig.ts'
import { load, type Measured } from './wrk.ts'

const SECONDS = quick ? 1 : 3
const BUSY_CONNECTIONS = 32
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
      ...(await byRoutes(originOf)),
    ]
  } finally {
    for (const one of [service, nginx, ...rigs.values()]) one.stop()
  }
}

type Way = 'rigel' | 'bare' | 'nginx' | 'direct'

async function besideOthers(urls: Readonly<Record<Way, string>>): Promise<readonly Figure[]> {
  const measure = async (connections: number): Promise<Record<Way, Measured>> => {
    const ask = (way: Way) => () => load({ url: urls[way], connections, seconds: SECONDS, routes: 100 })
    const taken = await inTurns({ rigel: ask('rigel'), bare: ask('bare'), nginx: ask('nginx'), direct: ask('direct') })
    return {
      rigel: medianOf(taken.rigel),
      bare: medianOf(taken.bare),
      nginx: medianOf(taken.nginx),
      direct: medianOf(taken.direct),
    }
  }
  const [busy, alone] = [await measure(BUSY_CONNECTIONS), await measure(1)]
  return [{ name: 'a bare fetch', other: 'bare' } as const, { name: 'nginx', other: 'nginx' } as const].flatMap(
    ({ name, other }) => [
      row(`proxied, beside ${name}`, 'requests/s', busy.rigel.requestsPerSecond, busy[other].requestsPerSecond),
      row(
        `added by the proxy, p50, beside ${name}`,
        'ms',
        added(alone, 'rigel', 'p50Ms'),
        added(alone, other, 'p50Ms'),
      ),
      row(
        `added by the proxy, p99, beside ${name}`,
        'ms',
        added(alone, 'rigel', 'p99Ms'),
        added(alone, other, 'p99Ms'),
      ),
    ],
  )
}

/** Rigel beside itself with one route. */
async function byRoutes(originOf: (count: number) => string): Promise<readonly Figure[]> {
  const ask = (routes: number) => () =>
    load({ url: originOf(routes), connections: BUSY_CONNECTIONS, seconds: SECONDS, routes })
  const [one, some, many] = ROUTE_COUNTS
  const taken = await inTurns({ one: ask(one), some: ask(some), many: ask(many) })
  const rates = { one: rateOf(taken.one), some: rateOf(taken.some), many: rateOf(taken.many) }
  return [
    row(`${some} routes, beside one`, 'requests/s', rates.some, rates.one),
    row(`${many.toLocaleString('en')} routes, beside one`, 'requests/s', rates.many, rates.one),
  ]
}

/** Beyond what the service itself takes. */
function added(ways: Record<Way, Measured>, way: Way, quantile: 'p50Ms' | 'p99Ms'): number {
  return ways[way][quantile] - ways.direct[quantile]
}

function medianOf(taken: readonly Measured[]): Measured {
  return {
    requestsPerSecond: rateOf(taken),
    p50Ms: median(taken.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(taken.map(({ p99Ms }) => p99Ms)),
  }
}

function rateOf(taken: readonly Measured[]): number {
  return median(taken.map(({ requestsPerSecond }) => requestsPerSecond))
}

function median(values: readonly number[]): number {
  return quantileOf(values, 0.5)
}

function row(figure: string, unit: string, rigel: number, bare: number): Figure {
  return { figure, rigel, bare, unit, ratio: rigel / bare }
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
