// A deployment with API definitions of the test's own, asked through the Worker; its services are one real process.
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { inject } from 'vitest'
import { handle } from '../../../src/http/app.ts'

export const UPSTREAM = `http://127.0.0.1:${inject('upstreamPort')}`

export interface Echo {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly rawHeaders: readonly string[]
  readonly body: string
}

export interface Gateway {
  readonly env: Env
  fetch(path: string, init?: RequestInit): Promise<Response>
  echo(path: string, init?: RequestInit): Promise<Echo>
  /** Until what requests left to be done in the background is done. */
  settled(): Promise<void>
}

/** Without INTERNAL_TOKEN: then nothing but PROXY_CONFIG can define an API. */
export function makeGateway(
  definitions: readonly unknown[],
  variables: Readonly<Record<string, unknown>> = {},
): Gateway {
  const changed = { ...env, INTERNAL_TOKEN: '', PROXY_CONFIG: JSON.stringify(definitions), ...variables } as Env
  const contexts: ExecutionContext[] = []
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const context = createExecutionContext()
    contexts.push(context)
    return handle(new Request(`https://rigel.test${path}`, { redirect: 'manual', ...init }), changed, context)
  }
  return {
    env: changed,
    fetch: ask,
    echo: async (path, init) => (await ask(path, init)).json(),
    settled: async () => {
      for (const context of contexts.splice(0)) await waitOnExecutionContext(context)
    },
  }
}

/** Everything goes to the service as it is. */
export function passThrough(options: Readonly<Record<string, unknown>> = {}): readonly unknown[] {
  return [{ id: 'all', target: UPSTREAM, routes: { '* /{path...}': {} }, ...options }]
}
