// POST /_rig/dev/feed, in development mode only: publishes a burst of sample events of a chain of hotels, from several
// services and to several users, so that there is something to see. Body: `{"count": 10}`. No timer runs here: the page
// calls it repeatedly.
import { decodeUtf8 } from '../../core/text.ts'
import { isObject, parseJson } from '../../core/json.ts'
import type { Context } from 'hono'
import { parseStructured } from '../../core/events/cloud-event.ts'
import { publish } from '../admin/operations.ts'
import { errorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

const DEFAULT_COUNT = 5
const MAX_COUNT = 100
const MAX_BODY_BYTES = 1_024

const USERS = ['alice', 'bob', 'carol']
const HOTELS = ['Alster', 'Bellevue', 'Continental']

/** Event type → the service that sends it, and whether it is for one user or for all subscribers. */
const TYPES = [
  { type: 'com.hotel.booking.created', source: '/services/booking', isAddressed: true },
  { type: 'com.hotel.room.cleaned', source: '/services/housekeeping', isAddressed: false },
  { type: 'com.hotel.payment.received', source: '/services/payment', isAddressed: true },
] as const

export async function produceSampleEvents(c: Context<HttpEnv>): Promise<Response> {
  if (!c.var.config.devMode) return c.notFound()
  const count = await readCount(c)
  if (count === undefined) {
    return errorResponse({ kind: 'bad_request', message: `Expected JSON such as {"count":5}, from 1 to ${MAX_COUNT}.` })
  }
  const nowMs = Date.now()
  const events = Array.from({ length: count }, () => sampleEvent(nowMs, Math.random))
  const produced = await publish(
    { env: c.env, config: c.var.config },
    events.flatMap((event) => {
      const parsed = parseStructured(JSON.stringify(event))
      return parsed.ok ? [parsed.value] : []
    }),
  )
  return produced.ok ? c.json({ produced: produced.value.length }, 202) : errorResponse(produced.reason)
}

/** `random` returns numbers in [0, 1). */
export function sampleEvent(nowMs: number, random: () => number) {
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)]
  const { type, source, isAddressed } = pick(TYPES) ?? TYPES[0]
  const user = pick(USERS)
  return {
    specversion: '1.0',
    id: crypto.randomUUID(),
    type,
    source,
    time: new Date(nowMs).toISOString(),
    datacontenttype: 'application/json',
    data: {
      hotel: pick(HOTELS),
      room: 100 + Math.floor(random() * 400),
      ...(isAddressed ? { recipients: [user], amount: 60 + Math.floor(random() * 240) } : {}),
    },
  }
}

/** Returns the number of events, the default for an empty body, or undefined if the body is invalid. */
async function readCount(c: Context<HttpEnv>): Promise<number | undefined> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return undefined
  if (body.value.byteLength === 0) return DEFAULT_COUNT
  const asked = parseJson(decodeUtf8(body.value) ?? '')
  const count = isObject(asked) ? (asked['count'] ?? DEFAULT_COUNT) : undefined
  return typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= MAX_COUNT ? count : undefined
}
