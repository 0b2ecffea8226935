// The routes that an isolate knows: the deployed ones, and those made at run time, which it gets from the Directory. Routes
// older than FRESH_MS are refreshed in the background; if they are older than STALE_MS, a request waits for the refresh. So a
// change is effective everywhere within STALE_MS. Called by proxy.ts for each request.
import { logIncident } from '../../telemetry/incident-log.ts'
import { withTimeout } from '../../core/time/timeout.ts'
import type { Config } from '../../config/parse-config.ts'
import { definitionEnvOf } from '../../config/proxy.ts'
import { directoryStub, toRecords } from '../../rpc/directory.ts'
import { mergeApis } from '../../api-definitions/api-record.ts'
import { isInactive, parseDefinition, parseDefinitions } from '../../api-definitions/parse-definitions.ts'
import type { ApiDefinition, DefinitionEnv } from '../../api-definitions/api-route.ts'
import { Router } from '../../api-definitions/router.ts'

const FRESH_MS = 2_000
const STALE_MS = 5_000
/** While the Directory is out of reach, known routes are served. */
const ASK_TIMEOUT_MS = 2_000

export class RouteTable {
  readonly #env: Env
  readonly #definitionEnv: DefinitionEnv
  readonly #deployed: readonly unknown[]
  readonly #canChange: boolean
  #router: Router
  /** The version of the definitions made at run time; 0 if there are none. */
  #version = 0
  #askedMs = -Infinity
  #answeredMs = -Infinity

  constructor(env: Env, config: Config) {
    this.#env = env
    this.#definitionEnv = definitionEnvOf(env)
    // Without INTERNAL_TOKEN nobody can make definitions at run time.
    this.#canChange = config.internalTokens.length > 0
    this.#deployed = config.proxy.definitions
    this.#router = new Router(parseLeniently(this.#deployed, this.#definitionEnv))
  }

  /** Returns undefined if a request must wait for `refreshed`. Not a promise, because nearly every request gets a router. */
  known(nowMs: number, waitUntil: (work: Promise<unknown>) => void): Router | undefined {
    const ageMs = nowMs - this.#answeredMs
    if (!this.#canChange || ageMs < FRESH_MS) return this.#router
    if (ageMs >= STALE_MS) return undefined
    if (nowMs - this.#askedMs >= FRESH_MS) waitUntil(this.#refresh(nowMs))
    return this.#router
  }

  async refreshed(nowMs: number): Promise<Router> {
    await this.#refresh(nowMs)
    return this.#router
  }

  async #refresh(nowMs: number): Promise<void> {
    this.#askedMs = nowMs
    try {
      const answer = await withTimeout(directoryStub(this.#env).apis(this.#version), ASK_TIMEOUT_MS)
      // Two answers may cross: the older one is ignored.
      if (answer !== null && answer.version >= this.#version) {
        const documents = mergeApis(this.#deployed, toRecords(answer)).map(({ document }) => document)
        this.#router = new Router(parseLeniently(documents, this.#definitionEnv))
        this.#version = answer.version
      }
    } catch (error) {
      logIncident('API definitions could not be asked for, the known ones are used', {}, { error: String(error) })
    }
    this.#answeredMs = nowMs
  }
}

/** A definition that a later deploy broke, by removing its variable, does not disable the others. */
function parseLeniently(documents: readonly unknown[], definitionEnv: DefinitionEnv): readonly ApiDefinition[] {
  const all = parseDefinitions(documents, definitionEnv)
  if (all.ok) return all.value
  logIncident('API definitions with problems, what can be used of them is', {}, { problems: all.reason })
  return documents
    .filter((document) => !isInactive(document))
    .flatMap((document) => {
      const parsed = parseDefinition(document, definitionEnv)
      return parsed.ok ? [parsed.value] : []
    })
}
