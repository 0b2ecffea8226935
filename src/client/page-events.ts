// What a browser tells of the network and of its page. Outside of a browser nothing is heard.

/** Calls `listener` when the network is back, and when the page is seen or hidden. Returns a function that removes it. */
export function onWake(listener: () => void): () => void {
  const sources: readonly (readonly [EventTarget, string])[] = [
    ...('addEventListener' in globalThis ? [[globalThis as unknown as EventTarget, 'online'] as const] : []),
    ...('document' in globalThis ? [[globalThis.document, 'visibilitychange'] as const] : []),
  ]
  for (const [target, type] of sources) target.addEventListener(type, listener)
  return () => {
    for (const [target, type] of sources) target.removeEventListener(type, listener)
  }
}

export function isPageHidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden'
}

/** Reports an uncaught error, with its stack, without ending the connection. Node has no reportError. */
export function reportError(error: unknown): void {
  if ('reportError' in globalThis) globalThis.reportError(error)
  else
    queueMicrotask(() => {
      throw error
    })
}
