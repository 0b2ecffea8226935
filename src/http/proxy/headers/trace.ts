// W3C Trace Context: a client's trace goes on through Rigel, or Rigel starts one.
import { randomHex } from '../random-hex.ts'

export interface Trace {
  readonly traceparent: string
  readonly tracestate: string | null
}

/** A higher version may be longer, and its first four fields are read as those of version 00. */
const TRACE_PARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Continues the client's trace, or starts one; either way with a span of its own. */
export function traceOf(incoming: ReadonlyMap<string, string>): Trace {
  const given = incoming.get('traceparent')
  const known = given === undefined ? undefined : parseTraceparent(given.trim())
  if (known === undefined) return { traceparent: `00-${randomHex(16)}-${randomHex(8)}-01`, tracestate: null }
  return {
    traceparent: `00-${known.traceId}-${randomHex(8)}-${known.flags}`,
    tracestate: incoming.get('tracestate') ?? null,
  }
}

function parseTraceparent(text: string): { readonly traceId: string; readonly flags: string } | undefined {
  const [, version, traceId = '', parentId = '', flags = '', rest] = TRACE_PARENT.exec(text) ?? []
  const isKnown = version !== undefined && !/^0+$/.test(traceId) && !/^0+$/.test(parentId)
  if (!isKnown || (version === '00' && rest !== undefined)) return undefined
  // The flag "sampled" is the only one that a higher version must keep.
  return { traceId, flags: version === '00' ? flags : (Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00' }
}
