// Loaded before scripts/sim.ts (`node --import`): stands in for the modules that only workerd has, so that the real Durable
// Object classes load in Node. They hold the object's context and bindings, and nothing else.
import { registerHooks } from 'node:module'

const SOURCE = `
  export class DurableObject { constructor(ctx, env) { this.ctx = ctx; this.env = env } }
  export class WorkerEntrypoint extends DurableObject {}
  export const waitUntil = () => undefined
  export const connect = () => { throw new Error('the simulation has no sockets') }
`

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.startsWith('cloudflare:')
      ? { url: specifier.replace('cloudflare:', 'sim:'), shortCircuit: true }
      : next(specifier, context),
  load: (url, context, next) =>
    url.startsWith('sim:') ? { format: 'module', source: SOURCE, shortCircuit: true } : next(url, context),
})
