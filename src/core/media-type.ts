// The media type of a request, without its parameters.

/** Lower case; undefined: the header is missing or empty. */
export function mediaTypeOf(headers: Headers): string | undefined {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  return type === '' ? undefined : type
}
