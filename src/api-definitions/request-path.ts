// The canonical form of a request's path, by which routes are matched, authorized, cached and logged; and the other forms in
// which a lenient service may read the same path. Pure; called by the router and the proxy.

/** The first segment of Rigel's own paths. None of them is proxied. */
export const RESERVED_SEGMENT = '_rig'

/** A path in the forms that matching needs. All forms have the same number of segments. */
export interface RequestPath {
  /** The client's own spelling. */
  readonly raw: string
  readonly canonical: string
  /** The segments of the canonical form; the first slash is not one. */
  readonly segments: readonly string[]
  /** The segments in lower case, also letters that are percent-encoded. */
  readonly folded: readonly string[]
}

/**
 * Characters that stay percent-encoded although they are printable: decoded, they would divide the path into other parts,
 * or start another escape.
 */
const DIVIDERS = new Set('%/\\?#')

/** Bytes that are no ASCII. */
const ENCODED = /(?:%[89A-F][0-9A-F])+/g

/** Only a path with one of these characters can be read in another way. */
const UNUSUAL = /[%\\;+]|:\$|\/\/|[. ]\/|[. ]$|.\/$/

/**
 * More readings than this come only from a path that was made to have them. Each reading costs a look-up, so the list is
 * limited.
 */
const MAX_READINGS = 64

/**
 * Returns the one spelling of all paths that a service decodes to the same path: printable ASCII is literal, all else is
 * percent-encoded in upper case. `%2F`, `%5C`, `%3F`, `%23` and `%25` stay, because decoding them changes what the path is.
 * A `%` that starts no escape becomes `%25`, which is how lenient decoders read it.
 */
export function canonicalPath(path: string): string {
  if (!path.includes('%')) return path
  return path.replaceAll(/%([0-9a-f]{2})?/gi, (text: string, hex: string | undefined) =>
    hex === undefined ? '%25' : decodeOrUpper(text, hex),
  )
}

function decodeOrUpper(text: string, hex: string): string {
  const code = Number.parseInt(hex, 16)
  const char = String.fromCodePoint(code)
  return code > 0x20 && code < 0x7f && !DIVIDERS.has(char) ? char : text.toUpperCase()
}

export function toRequestPath(raw: string): RequestPath {
  return fromCanonical(raw, canonicalPath(raw))
}

function fromCanonical(raw: string, canonical: string): RequestPath {
  const segments = canonical.slice(1).split('/')
  const lower = foldCase(canonical)
  return { raw, canonical, segments, folded: lower === canonical ? segments : lower.slice(1).split('/') }
}

/** Returns a canonical path in lower case: `/%C3%9C` is `/ü`, which is `/%c3%bc` there. */
export function foldCase(canonical: string): string {
  const lower = /%[C-F]/.test(canonical) ? canonical.replaceAll(ENCODED, (run) => inLowerCase(run)) : canonical
  return lower.toLowerCase()
}

/** What is no UTF-8 stays. */
function inLowerCase(run: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(run).toLowerCase())
  } catch {
    return run
  }
}

/**
 * What lenient services do to a path, in the order in which they do it. A service may do any of these; the comments name
 * services that are known to.
 */
const LENIENCIES: readonly ((path: string) => string)[] = [
  // Decoding more than once: a service behind another proxy.
  (path) => canonicalPath(path.replaceAll(/%(?:25)+(?=[0-9a-f]{2})/gi, '%')),
  // `+` as in forms: `URLDecoder.decode` of Java, `urldecode` of PHP.
  (path) => path.replaceAll('+', '%20'),
  // `%u002f`: IIS. Overlong UTF-8, and characters that NFKC makes ASCII: old decoders, best-fit mappings. Characters that
  // are not shown, such as U+200B: NFKC_Casefold, HFS+.
  (path) => foldUnicode(path),
  // `%2F` decoded before routing: Express, Rack, many. Backslashes: IIS, the URL standard.
  (path) => path.replaceAll(/%2f|%5c|\\/gi, '/'),
  // A decoded `?` or `#` ends the path.
  (path) => path.replace(/%3f.*|%23.*/i, ''),
  // A NUL ends the path: C strings.
  (path) => path.replace(/%00.*/, ''),
  // Control characters are dropped: parsers by the URL standard.
  (path) => path.replaceAll(/%[01][0-9a-f]|%7f/gi, ''),
  // `;parameters` of segments: servlet containers.
  (path) => path.replaceAll(/;[^/]*/g, ''),
  // The stream that a file of NTFS has by default: servers on Windows.
  (path) => path.replaceAll(/:(?:\$i30)?:\$[^/]*/gi, ''),
  // Dots and spaces at the end of a name: Windows.
  (path) => path.split('/').map(withoutFinalDots).join('/'),
  // Several slashes are one: nginx, many.
  (path) => path.replaceAll(/\/{2,}/g, '/'),
  // A slash at the end: many routers.
  (path) => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path),
]

/**
 * Returns every form in which a lenient service may read the path, its own form first: each leniency may apply or not.
 * Returns undefined if there are more forms than the limit.
 */
export function readingsOf(path: RequestPath): readonly RequestPath[] | undefined {
  if (!UNUSUAL.test(path.canonical)) return [path]
  const readings = new Set([path.canonical])
  for (const apply of LENIENCIES) {
    for (const reading of Array.from(readings, apply)) readings.add(reading)
    if (readings.size > MAX_READINGS) return undefined
  }
  readings.delete(path.canonical)
  return [path, ...[...readings].map((reading) => fromCanonical(path.raw, toAbsolute(reading)))]
}

/**
 * Returns whether one of the readings has a segment `.` or `..`, such as `/public/..%2Fadmin` and `/public/..;/admin`. A service
 * that resolves it answers for a path outside of the route.
 */
export function hasHiddenDotSegments(readings: readonly RequestPath[]): boolean {
  return readings.some(({ segments }) => segments.some((segment) => /^\.\.?(?:(?:%20| )(?:%20|[ .])*)?$/.test(segment)))
}

/** A reading that lost its first slash, such as that of `/%00`, is the root. */
function toAbsolute(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** A loop and not `[. ]+$`, which takes quadratic time in a run of dots. */
function withoutFinalDots(segment: string): string {
  let end = segment.length
  for (;;) {
    if (end > 0 && (segment[end - 1] === '.' || segment[end - 1] === ' ')) end -= 1
    else if (segment.endsWith('%20', end)) end -= 3
    else return segment.slice(0, end)
  }
}

function foldUnicode(path: string): string {
  if (!path.includes('%')) return path
  const plain = path.replaceAll(/%(?:25)?u([0-9a-f]{4})/gi, (_text, hex: string) =>
    encodeURIComponent(String.fromCodePoint(Number.parseInt(hex, 16)).toWellFormed()),
  )
  const folded = plain
    .replaceAll(OVERLONG_AND_ASCII, (_text, first: string, hex: string | undefined, char: string | undefined) => {
      const last = hex === undefined ? (char ?? '').charCodeAt(0) : Number.parseInt(hex, 16)
      return encodeURIComponent(String.fromCharCode(overlong(Number.parseInt(first, 16), last)))
    })
    .replaceAll(LETTERS, (run) => encodeURIComponent(simplified(decodeLeniently(run)).toWellFormed()))
  return canonicalPath(folded)
}

/** The second byte of an overlong form is not checked by some decoders: `%C0%2F` is `/` for old versions of IIS. */
const OVERLONG_AND_ASCII = /%(C[01])(?:%([0-7][0-9A-F])|([^%/]))/gi
/** With an ASCII letter before them: together with a combining mark, it is another letter. */
const LETTERS = /(?:(?<!%|%.)[a-z])?(?:%[89A-F][0-9A-F])+/gi
/**
 * Characters that are ASCII in another way than by NFKC: code pages of Windows (best fit) have `⁄ ∕ ∖ ∶`, and `ı` and `İ` are `i`
 * for services that ignore case as Java's `equalsIgnoreCase` does.
 */
const BEST_FIT: ReadonlyMap<string, string> = new Map([
  ['\u2044', '/'],
  ['\u2215', '/'],
  ['\u2216', '\\'],
  ['\u2236', ':'],
  ['\u0130', 'I'],
  ['\u0131', 'i'],
])

function simplified(text: string): string {
  const plain = withoutUnseen(text.normalize('NFKC'))
  return plain.replaceAll(/[\u2044\u2215\u2216\u2236\u0130\u0131]/g, (char) => BEST_FIT.get(char) ?? char)
}

function withoutUnseen(text: string): string {
  return text.replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '')
}

/** Decodes UTF-8 after a letter or none, also overlong forms of ASCII: `%C0%AF` and `%E0%80%AF` are `/`. Other bytes become U+FFFD. */
function decodeLeniently(run: string): string {
  const [letter = '', ...escapes] = run.split('%')
  const bytes = escapes.map((hex) => Number.parseInt(hex, 16))
  const short: number[] = []
  for (let at = 0; at < bytes.length;) {
    const length = overlongLength(bytes, at)
    const [high = 0, low = 0] = bytes.slice(at + length - 2, at + length)
    short.push(length === 0 ? (bytes[at] ?? 0) : overlong(high, low))
    at += Math.max(1, length)
  }
  return `${letter}${new TextDecoder().decode(Uint8Array.from(short))}`
}

/** Returns the ASCII character that the last two bytes of an overlong form are decoded to. */
function overlong(high: number, low: number): number {
  return ((high & 1) << 6) | (low & 0x3f)
}

/** First bytes of sequences of three and more, up to the six of RFC 2279, that can be overlong forms of ASCII. */
const OVERLONG_LENGTHS: ReadonlyMap<number | undefined, number> = new Map([
  [0xe0, 3],
  [0xf0, 4],
  [0xf8, 5],
  [0xfc, 6],
])

/** Returns the length of the overlong form of an ASCII character that begins at a byte; 0 if none does. */
function overlongLength(bytes: readonly number[], at: number): number {
  const first = bytes[at]
  if (first === 0xc0 || first === 0xc1) return at + 1 < bytes.length ? 2 : 0
  const length = OVERLONG_LENGTHS.get(first) ?? 0
  if (length === 0 || at + length > bytes.length) return 0
  const high = bytes[at + length - 2]
  const isOverlong =
    bytes.slice(at + 1, at + length - 2).every((byte) => byte === 0x80) && (high === 0x80 || high === 0x81)
  return isOverlong ? length : 0
}
