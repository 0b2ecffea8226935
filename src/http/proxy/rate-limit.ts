// Rate limits of a route, by the platform's binding: counted per Cloudflare location and not exactly, which is enough to
// keep floods away. The limit and its period stand in wrangler.toml.
import type { RateLimit as Limit, Route } from '../../api-definitions/api-route.ts'

export interface Asker {
  readonly address: string | null
  readonly user: string | null
}

/** By address and by route before the token is looked at; by user after it. */
export async function isOverLimit(
  env: object,
  { api, id, policy: { rateLimit } }: Route,
  asker: Asker,
  phase: 'before_token' | 'after_token',
): Promise<boolean> {
  if (rateLimit === null) return false
  // The definition was refused if the binding is not there.
  const binding = (env as Readonly<Record<string, RateLimit | undefined>>)[rateLimit.binding]
  for (const by of rateLimit.by.filter((of) => (of === 'user') === (phase === 'after_token'))) {
    const who = whoOf(by, asker)
    if (who === null || binding === undefined) continue
    if (!(await binding.limit({ key: `${api}/${id}:${by}:${who}` })).success) return true
  }
  return false
}

function whoOf(by: Limit['by'][number], { address, user }: Asker): string | null {
  if (by === 'route') return ''
  return by === 'address' ? address : user
}
