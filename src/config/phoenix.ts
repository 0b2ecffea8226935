// Phoenix Channels: who may join what, and what others are shown of a connection.
import type { z } from 'zod'
import { flag, integer, list, pointer } from './env-fields.ts'

export const phoenixVariables = {
  JWT_ROLES_FIELD: pointer.default(['roles']),
  PRIVILEGED_ROLES: list.default([]),
  PRESENCE_CLAIMS: list.default([]),
  PHOENIX_TIMEOUT_SECONDS: integer(45, 5, 600),
  PHOENIX_LEGACY_PATHS: flag,
}

type Variables = z.infer<z.ZodObject<typeof phoenixVariables>>

export function toPhoenix(v: Variables) {
  return {
    rolesField: v.JWT_ROLES_FIELD,
    privilegedRoles: v.PRIVILEGED_ROLES,
    presenceClaims: v.PRESENCE_CLAIMS,
    /** How long a client may be silent; the library's heartbeat comes every 30 seconds. */
    timeoutMs: v.PHOENIX_TIMEOUT_SECONDS * 1_000,
    /** RIG 1.x's `/socket/websocket` and `/socket/longpoll` as well. */
    legacyPaths: v.PHOENIX_LEGACY_PATHS,
  }
}
