// Checks the header `Host`. workerd puts it before the path, unchecked, to make the URL of a request: with `Host: a/_rig/x?` the
// request for `/y` would be one for `/_rig/x`, and rules of a proxy in front, which go by the path, would not be asked for
// it. Cloudflare's edge and nginx refuse such a Host. Pure; called by main.ts.

/** A name or an IPv4 address, or an IPv6 address in brackets, and a port. */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** `header` is null for a request without Host, of which workerd makes no URL. */
export function isHost(header: string | null): boolean {
  return header !== null && HOST.test(header)
}
