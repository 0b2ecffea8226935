// When a connection of the page is opened again, and when it is not. Used by connections.js and phoenix-connection.js.

/** @typedef {{text: string, comeBack: boolean}} Ended */

const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 4_000

/**
 * Opens again with growing, jittered waits: after a deploy everybody comes back at once.
 *
 * @param {Pick<import('./connections.js').Tell, 'waiting' | 'refused'>} tell
 * @param {(ended: (why: Ended) => void) => () => void} open
 */
export function keep(tell, open) {
  let isStopped = false
  let attempt = 0
  let timer = 0
  let stop = () => {}
  const start = () => {
    const openedAtMs = Date.now()
    stop = open(({ text, comeBack }) => {
      if (isStopped) return
      if (!comeBack) return tell.refused(text)
      attempt = Date.now() - openedAtMs > RETRY_MAX_MS ? 0 : attempt + 1
      const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** attempt) * (0.5 + Math.random() / 2)
      tell.waiting(`${text}, coming back`)
      timer = setTimeout(start, waitMs)
    })
  }
  tell.waiting('connecting')
  start()
  return () => {
    isStopped = true
    clearTimeout(timer)
    stop()
  }
}

/** docs/protocol.md: 3500-3999 and 4500-4999 say that the same request would be refused again. */
export function mayComeBack(/** @type {number} */ code) {
  return !((code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999))
}
