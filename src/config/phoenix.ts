// Variables of Phoenix Channels: which roles may join which channels, and which claims presence shows to others.
import type { z } from 'zod'
import { flag, integer, list, pointer } from './env-fields.ts'

/** The variables of Phoenix Channels, as zod schemas. */
export const phoenixVariables = {
  JWT_ROLES_FIELD: pointer.default(['roles']),
  PRIVILEGED_ROLES: list.default([]),
  PRESENCE_CLAIMS: list.default([]),
  PHOENIX_TIMEOUT_SECONDS: integer(45, 5, 600),
  PHOENIX_LEGACY_PATHS: flag,
}

type Variables = z.infer<z.ZodObject<typeof phoenixVariables>>

/** Returns the part of the configuration that concerns Phoenix Channels. */
export function toPhoenix(v: Variables) {
  return {
    rolesField: v.JWT_ROLES_FIELD,
    privilegedRoles: v.PRIVILEGED_ROLES,
    presenceClaims: v.PRESENCE_CLAIMS,
    /** How long a client may send nothing; the library sends a heartbeat every 30 seconds. */
    timeoutMs: v.PHOENIX_TIMEOUT_SECONDS * 1_000,
    /** Whether RIG 1.x's `/socket/websocket` and `/socket/longpoll` are served as well. */
    legacyPaths: v.PHOENIX_LEGACY_PATHS,
  }
}
