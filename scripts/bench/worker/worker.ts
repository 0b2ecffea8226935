// The Worker that is measured: Rigel itself, and beside it, in the same workerd, what does the least that could be called the
// same. Bundled by scripts/bench/rig.ts, driven by scripts/bench.ts; never deployed.
import { handle } from '../../../src/http/app.ts'
import type { Plan } from '../plan.ts'
import { followerStub } from '../../../src/rpc/follower.ts'
import { BARE_PATH, publishBarely } from './bare-path.ts'
import type { BenchEnv } from './bench-env.ts'
import { fillLog } from './fill.ts'
import { COUNTED, countingEnv, resetCounts, startsOf, takeCounts } from './counting.ts'
import {
  appendChanges,
  appendToShard,
  benchEvent,
  callDirectory,
  declareTypes,
  enterMany,
  openSessions,
  produceBacklog,
  subscribe,
  TOPIC,
} from './work.ts'

export * from './bare.ts'
export { BarePath } from './bare-path.ts'
export { Holder } from './holder.ts'
export * from './objects.ts'

const PASS = '/bench/pass'

async function bench(url: URL, request: Request, env: BenchEnv): Promise<Response> {
  const number = (name: string) => Number(url.searchParams.get(name))
  const text = url.searchParams.get('text') ?? ''
  const bare = env.BARE.getByName(url.searchParams.get('name') ?? 'bare')
  switch (url.pathname) {
    case '/bench/bare':
    case '/bench/bare/poll':
      return bare.fetch(request)
    case '/bench/bare/sockets':
      // One call an event, as a follower makes them: many in one call would leave as one write a socket.
      for (let n = 0; n < number('count'); n += 1) await bare.sendToSockets(text)
      break
    case '/bench/bare/streams':
      for (let n = 0; n < number('count'); n += 1) await bare.sendToStreams(text)
      break
    case '/bench/bare/insert':
      await bare.insert(text, number('count'))
      break
    case '/bench/shard':
      await appendToShard(
        env,
        number('shard'),
        number('count'),
        number('from'),
        url.searchParams.get('type') ?? 'bench',
      )
      break
    case '/bench/changes': {
      const [type, isTable] = [url.searchParams.get('type') ?? '', url.searchParams.has('table')]
      const [batch, count, from] = [number('batch'), number('count'), number('from')]
      await appendChanges(env, { batch, count, from, type, isTable })
      break
    }
    case '/bench/produce':
      await produceBacklog(env, number('partition'), number('count'), number('bytes') || 300)
      break
    case '/bench/follow': {
      const follower = followerStub(env, { topic: TOPIC, partition: number('partition') })
      await follower.nudge()
      return Response.json(await follower.status())
    }
    case '/bench/interest':
      await declareTypes(env, number('count'))
      break
    case '/bench/directory':
      await callDirectory(env, number('count'))
      break
    case '/bench/subscribe':
      await subscribe(env, url.searchParams.get('type') ?? '')
      break
    case '/bench/sessions':
      await openSessions(env, number('count'), url.searchParams.get('sets') ?? '')
      break
    case '/bench/gc':
      // The second one frees what finalizers of the first let go.
      for (let n = 0; n < 2; n += 1) (globalThis as { gc?: () => void }).gc?.()
      break
    case '/bench/hold': {
      const plan: Plan = await request.json()
      return Response.json(await env.HOLDER.getByName(url.searchParams.get('name') ?? '').open(plan))
    }
    case '/bench/stay':
      await env.HOLDER.getByName('clients').stay()
      break
    case '/bench/release':
      await env.HOLDER.getByName(url.searchParams.get('name') ?? '').close()
      break
    case '/bench/full/log':
      await fillLog(env, number('mib'))
      break
    case '/bench/presence':
      await enterMany(env, url.searchParams.get('topic') ?? '', number('count'))
      break
    case '/bench/starts':
      return Response.json(startsOf(url.searchParams.get('name') ?? ''))
    case '/bench/counts/reset':
      resetCounts()
      break
    case '/bench/counts':
      return Response.json(takeCounts())
    case '/bench/event':
      return new Response(benchEvent(url.searchParams.get('type') ?? 'bench'))
    default:
      return new Response('no such bench', { status: 404 })
  }
  return new Response('done')
}

/** One for the isolate, as the real one is. */
let countedEnv: BenchEnv | undefined

export default {
  fetch(request, env, context) {
    // Rigel parses the URL by itself: parsed here too, it would cost Rigel what the bare path does not pay.
    if (!request.url.includes('/bench/')) {
      return handle(request, env.COUNT === undefined ? env : (countedEnv ??= countingEnv(env, COUNTED)), context)
    }
    if (request.url.includes(BARE_PATH)) return publishBarely(request, env)
    const url = new URL(request.url)
    if (!url.pathname.startsWith(PASS)) return bench(url, request, env)
    return fetch(new Request(`${env.PASS_TO}${url.pathname.slice(PASS.length)}${url.search}`, request))
  },
} satisfies ExportedHandler<BenchEnv>
