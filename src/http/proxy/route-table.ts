// The routes that an isolate knows. What is deployed is there at once; what was made at run time is asked of the
// Directory, which answers with nothing while nothing has changed. After FRESH_MS a request has it asked in the
// background, after STALE_MS it waits for the answer: a change is effective everywhere within that time.
import { withTimeout } from '../../core/timeout.ts'
import type { Config } from '../../config/parse-config.ts'
import { definitionEnvOf } from '../../config/proxy.ts'
import { directoryStub, toRecords } from '../../rpc/directory.ts'
import { mergeApis } from '../../api-definitions/api-record.ts'
import { isInactive, parseDefinition, parseDefinitions } from '../../api-definitions/parse-definitions.ts'
import type { ApiDefinition, DefinitionEnv } from '../../api-definitions/api-route.ts'
import { Router } from '../../api-definitions/router.ts'

const FRESH_MS = 2_000
const STALE_MS = 5_000
/** The Directory out of reach must not stop what is known from being served. */
const ASK_TIMEOUT_MS = 2_000

export class RouteTable {
  readonly #env: Env
  readonly #definitionEnv: DefinitionEnv
  readonly #deployed: readonly unknown[]
  readonly #canChange: boolean
  #router: Router
  /** Of what was made at run time; 0: nothing was. */
  #version = 0
  #askedMs = -Infinity
  #answeredMs = -Infinity

  constructor(env: Env, config: Config) {
    this.#env = env
    this.#definitionEnv = definitionEnvOf(env)
    // Without a token nobody can make definitions at run time.
    this.#canChange = config.internalToken !== null
    this.#deployed = config.proxy.definitions
    this.#router = new Router(parseLeniently(this.#deployed, this.#definitionEnv))
  }

  async current(nowMs: number, inBackground: (work: Promise<void>) => void): Promise<Router> {
    if (!this.#canChange || nowMs - this.#answeredMs < FRESH_MS) return this.#router
    if (nowMs - this.#answeredMs >= STALE_MS) await this.#refresh(nowMs)
    else if (nowMs - this.#askedMs >= FRESH_MS) inBackground(this.#refresh(nowMs))
    return this.#router
  }

  async #refresh(nowMs: number): Promise<void> {
    this.#askedMs = nowMs
    try {
      const answer = await withTimeout(directoryStub(this.#env).apis(this.#version), ASK_TIMEOUT_MS)
      // Of two answers that crossed, the older one says nothing.
      if (answer !== null && answer.version >= this.#version) {
        const documents = mergeApis(this.#deployed, toRecords(answer)).map(({ document }) => document)
        this.#router = new Router(parseLeniently(documents, this.#definitionEnv))
        this.#version = answer.version
      }
    } catch (error) {
      console.warn({ message: 'API definitions could not be asked for, the known ones are used', error: String(error) })
    }
    this.#answeredMs = nowMs
  }
}

/** One that a later deploy has broken, such as by taking its variable away, does not take the others with it. */
function parseLeniently(documents: readonly unknown[], definitionEnv: DefinitionEnv): readonly ApiDefinition[] {
  const all = parseDefinitions(documents, definitionEnv)
  if (all.ok) return all.value
  console.error({ message: 'API definitions with problems, what can be used of them is', problems: all.reason })
  return documents
    .filter((document) => !isInactive(document))
    .flatMap((document) => {
      const parsed = parseDefinition(document, definitionEnv)
      return parsed.ok ? [parsed.value] : []
    })
}
