// The bindings of wrangler's environments. An environment inherits none of the top level (vars neither), so each has a copy of
// them, which is written here and not by hand. Pure. Called by scripts/environments.ts.

/** Staging and production share nothing: other queues, other counts of rate limits. Durable Objects belong to a script anyway. */
export const ENVIRONMENTS = ['staging', 'production'] as const

type Environment = (typeof ENVIRONMENTS)[number]

const BEGIN =
  '# --- Bindings of the environments: written by `npm run environments`, from those above. Do not edit. ---'
/** Tables that wrangler does not inherit, as Rigel's users may have them. */
const COPIED =
  /^(?:\[\[(durable_objects\.bindings|queues\.producers|queues\.consumers|ratelimits|services|vpc_networks|analytics_engine_datasets|kv_namespaces|r2_buckets)\]\]|\[(durable_objects\.code_update_strategy)\])$/

/** Returns the text of a wrangler.toml with the bindings of its environments as its top level has them. */
export function withEnvironments(toml: string): string {
  const own = toml.split(BEGIN)[0] ?? ''
  const blocks = bindingBlocks(own)
  const copies = ENVIRONMENTS.flatMap((environment) => blocks.map((block) => copyOf(block, environment)))
  return `${own.trimEnd()}\n\n${BEGIN}\n\n${copies.join('\n\n')}\n`
}

interface Block {
  readonly table: string
  /** `[[table]]`, not `[table]`. */
  readonly isList: boolean
  readonly lines: readonly string[]
}

/** Without comments: those above say everything once. */
function bindingBlocks(toml: string): readonly Block[] {
  const blocks: { table: string; isList: boolean; lines: string[] }[] = []
  let current: (typeof blocks)[number] | undefined
  for (const line of toml.split('\n')) {
    const [, list, single] = COPIED.exec(line.trim()) ?? []
    const table = list ?? single
    if (line.trimStart().startsWith('[')) current = undefined
    if (table !== undefined) {
      current = { table, isList: list !== undefined, lines: [] }
      blocks.push(current)
    } else if (line.trim() !== '' && !line.trimStart().startsWith('#')) current?.lines.push(line)
  }
  return blocks
}

function copyOf({ isList, lines, table }: Block, environment: Environment): string {
  const own = lines.map((line) =>
    line
      .replace(
        /^(queue|dead_letter_queue) = "(.+)"$/,
        (_, key: string, queue: string) => `${key} = "${queue}-${environment}"`,
      )
      .replace(
        /^namespace_id = "(\d+)"$/,
        (_, id: string) => `namespace_id = "${namespaceOf(Number(id), environment)}"`,
      ),
  )
  const name = `[env.${environment}.${table}]`
  return [isList ? `[${name}]` : name, ...own].join('\n')
}

/** Workers of one account that name the same namespace share its counts. */
function namespaceOf(id: number, environment: Environment): number {
  return id + 1_000 * (ENVIRONMENTS.indexOf(environment) + 1)
}
