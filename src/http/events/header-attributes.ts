// The `ce-` headers of an event in binary mode → attributes, by the HTTP protocol binding of CloudEvents 1.0, 3.1.3.2.
// Pure; used for POST events and for push.
import { fail, ok, type Result } from '../../core/result.ts'

/** A whole value in double quotes, with escapes by backslash (RFC 7230, 3.2.6). */
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/

/** Returns the attributes without their prefix, decoded, or which header cannot be decoded. */
export function readHeaderAttributes(headers: Headers): Result<Readonly<Record<string, string>>, string> {
  const attributes: Record<string, string> = {}
  for (const [name, value] of headers) {
    if (!name.startsWith('ce-') || name === 'ce-data') continue
    const decoded = decode(value.trim())
    if (!decoded.ok) return fail(`the header ${name} ${decoded.reason}`)
    attributes[name.slice('ce-'.length)] = decoded.value
  }
  return ok(attributes)
}

/** First double quotes are removed, which older producers write, then one round of percent-decoding. */
function decode(value: string): Result<string, string> {
  const unquoted = value.startsWith('"') ? QUOTED.exec(value)?.[1]?.replaceAll(/\\(.)/g, '$1') : value
  if (unquoted === undefined) return fail('begins with a double quote, and is no quoted string')
  if (BAD_ESCAPE.test(unquoted)) return fail('has a "%" that begins no escape: write it as %25')
  try {
    return ok(decodeURIComponent(unquoted))
  } catch {
    return fail('has percent escapes that are not UTF-8')
  }
}
