// A request's path as routes are found by it, and what else a service may take it for. Pure; for the router.

const UNRESERVED = /[\w.~-]/
/** Whatever lenientPaths would change. */
const UNPLAIN = /[A-Z;\\]|\/\/|.\/$|%2[fF]|%5[cC]/

/**
 * In RFC 3986's normal form: services decode `%61` to `a`, so a route that is found by the one must be found by the other.
 * What has a meaning of its own, such as `%2F`, stays as it is.
 */
export function plainPath(path: string): string {
  if (!path.includes('%')) return path
  return path.replaceAll(/%[0-9a-f]{2}/gi, (encoded) => {
    const char = String.fromCodePoint(Number.parseInt(encoded.slice(1), 16))
    return UNRESERVED.test(char) ? char : encoded.toUpperCase()
  })
}

/**
 * What a lenient service may make of it: one that decodes `%2F`, takes several slashes for one, drops the last one or what
 * comes after a semicolon, or does without case. None, if that is what it is already.
 */
export function lenientPaths(path: string): readonly string[] {
  if (!UNPLAIN.test(path)) return []
  const lenient = path
    .replaceAll(/%2f|%5c|\\/gi, '/')
    .replaceAll(/;[^/]*/g, '')
    .replaceAll(/\/{2,}/g, '/')
    .toLowerCase()
  return lenient.length > 1 && lenient.endsWith('/') ? [lenient, lenient.slice(0, -1)] : [lenient]
}

/** `/public/..%2Fadmin`, `/public/..;/admin`: what a service makes of it is not what the route was found by. */
export function hidesDotSegments(path: string): boolean {
  const decoded = path
    .replaceAll(/%2e/gi, '.')
    .replaceAll(/%3b/gi, ';')
    .replaceAll(/%2f|%5c/gi, '/')
  return decoded.split('/').some((segment) => /^\.\.?(;|$)/.test(segment))
}
