// What a Phoenix connection says of itself: the serializer, and the claims of its token that concern channels. Pure. Used by
// phoenix.ts.
import * as z from 'zod'
import type { Config } from '../../config/parse-config.ts'
import { stringifyCloneable, toCloneable } from '../../core/identity/cloneable-claims.ts'
import type { PhoenixHello } from '../../core/identity/principal.ts'
import { evaluatePointer } from '../../core/json-pointer.ts'

/** JSON of the claims that others are shown. Everybody on a channel is sent those of everybody else on it. */
const MAX_SHOWN_CHARS = 1_024

const rolesSchema = z.array(z.string()).catch([])

/** `vsn`: the parameter. A claim of PRESENCE_CLAIMS that does not fit is left out, whole. */
export function readHello(
  vsn: string | undefined,
  claims: Readonly<Record<string, unknown>>,
  { presenceClaims, rolesField }: Pick<Config['phoenix'], 'presenceClaims' | 'rolesField'>,
): PhoenixHello {
  return {
    vsn: vsn?.startsWith('2') === true ? 2 : 1,
    roles: rolesSchema.parse(evaluatePointer(rolesField, claims)),
    meta: shownOf(claims, presenceClaims),
  }
}

function shownOf(claims: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  let shown: Record<string, unknown> = {}
  for (const name of names) {
    if (!Object.hasOwn(claims, name)) continue
    const more = { ...shown, [name]: toCloneable(claims[name]) }
    if (stringifyCloneable(more).length <= MAX_SHOWN_CHARS) shown = more
  }
  return shown
}
