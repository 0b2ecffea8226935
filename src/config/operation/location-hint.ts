// Where Cloudflare is asked to create an object. Used by the variables of placement.
import * as z from 'zod'

const HINTS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'apac-ne', 'apac-se', 'oc', 'afr', 'me'] as const

/** The field of a location hint. */
export const hint = z.enum(HINTS, `must be one of ${HINTS.join(', ')}`)

/** A place, as Cloudflare spells it. */
export type LocationHint = z.infer<typeof hint>
