// Calls of the internal API, with the token of this tab, and its stream of figures.

const API = '/_rig/api'
const STORED = 'rigel.console.token'

/** The server refused. */
export class Refused extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** Kept for this tab only. */
export const token = {
  get: () => sessionStorage.getItem(STORED),
  /** @param {string} text */
  set: (text) => sessionStorage.setItem(STORED, text),
  clear: () => sessionStorage.removeItem(STORED),
}

/** In development mode the console opens by itself. */
export async function findDevelopmentToken() {
  const response = await fetch('/_rig/dev/console-token', { method: 'POST' })
  if (!response.ok) return
  const answer = /** @type {{ token: string | null }} */ (await response.json())
  if (answer.token !== null) token.set(answer.token)
}

/**
 * @param {string} path @param {{ method?: string, body?: unknown, signal?: AbortSignal }} options
 * @returns {Promise<Response>}
 */
async function send(path, { body, method = 'GET', signal } = {}) {
  const response = await fetch(API + path, {
    method,
    headers: { authorization: `Bearer ${token.get() ?? ''}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  })
  if (response.ok) return response
  const text = await response.text()
  throw new Refused(response.status, `${response.status}: ${messageOf(text)}`)
}

/** @param {string} text */
function messageOf(text) {
  try {
    const { message } = /** @type {{ message?: string }} */ (JSON.parse(text))
    return message ?? text
  } catch {
    return text.slice(0, 300)
  }
}

/**
 * The answer's JSON: the caller says what it is.
 * @param {string} path @param {{ method?: string, body?: unknown }} options
 * @returns {Promise<unknown>}
 */
export async function call(path, options = {}) {
  const response = await send(path, options)
  return response.json()
}

/**
 * The data of each event of a stream: an EventSource cannot send a token in a header.
 * @param {string} path @param {AbortSignal} signal
 * @returns {AsyncGenerator<string, void>}
 */
export async function* stream(path, signal) {
  const response = await send(path, { signal })
  if (response.body === null) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let text = ''; ;) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6))
      if (data.length > 0) yield data.join('\n')
    }
  }
}
