// A request's body on its way through, up to a limit and never held: what says its length is believed, for the runtime
// holds it to that; what doesn't is counted as it passes.

export interface LimitedBody {
  readonly body: ReadableStream | null
  /** The limit was passed on the way: what the service got is not whole. */
  isExceeded(): boolean
}

/** Undefined: it says itself that it is larger. */
export function limitBody(request: Request, limitBytes: number | null): LimitedBody | undefined {
  const { body } = request
  if (body === null || limitBytes === null) return { body, isExceeded: () => false }
  const declared = request.headers.get('content-length')
  if (declared !== null) return Number(declared) > limitBytes ? undefined : { body, isExceeded: () => false }
  let gotBytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      gotBytes += chunk.byteLength
      if (gotBytes > limitBytes) controller.error(new RangeError('the body is larger than the route allows'))
      else controller.enqueue(chunk)
    },
  })
  return { body: body.pipeThrough(counter), isExceeded: () => gotBytes > limitBytes }
}
