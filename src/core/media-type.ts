// The media type of a request, without its parameters.

/** Returns the media type in lower case, or undefined if the header is missing or empty. */
export function mediaTypeOf(headers: Headers): string | undefined {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  return type === '' ? undefined : type
}
