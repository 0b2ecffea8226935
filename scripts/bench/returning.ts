// Clients that all lose their streams at once, by a SIGKILL, and come back as an EventSource does: after the time that `retry:`
// says, with their positions. How long it takes until all are back, and how long health takes to answer meanwhile.
import { createHmac } from 'node:crypto'
import { get } from 'node:http'
import { pause, quick, type Figure } from './figure.ts'
import { ANY, startRig, type Rig } from './rig.ts'

const CLIENTS = quick ? 1_000 : 5_000
const BACK_MS = 6_000
const HEALTH_MS = 1_000
const ASK_HEALTH_EVERY_MS = 100
const WITHIN_MS = 120_000
const SECRET = 'a-secret-of-the-bench-with-32-bytes'
/** Until the server has said a time. */
const RETRY_MS = 3_000

export async function returning(): Promise<readonly Figure[]> {
  // The limit of new connections is the default: it is part of what is measured.
  const rig = await startRig({ JWT_SECRET_KEY: SECRET, MAX_CONNECTIONS_PER_MINUTE: '5000' })
  const clients = Array.from({ length: CLIENTS }, (_, n) => new Returning(rig, `user-${n}`))
  try {
    await until(() => clients.every(({ isOpen }) => isOpen))
    await rig.restart()
    const startedMs = performance.now()
    const health = new HealthWatch(rig)
    await until(() => clients.every(({ isBack }) => isBack))
    const backMs = performance.now() - startedMs
    const slowestMs = await health.end()
    const cpuMicroseconds = (rig.cpuMs() * 1_000) / CLIENTS
    const gaps = clients.filter(({ recovered }) => !recovered).length
    if (gaps > 0) throw new Error(`${gaps} clients were told of a gap`)
    const row = (figure: string, rigel: number, absoluteGoal: number): Figure => ({
      figure,
      rigel,
      unit: 'ms',
      absoluteGoal,
    })
    return [
      row(`${CLIENTS} clients back after a SIGKILL`, backMs, BACK_MS),
      row('the slowest answer of health meanwhile', slowestMs, HEALTH_MS),
      { figure: 'CPU of workerd for each of them, with its start', rigel: cpuMicroseconds, unit: 'µs' },
    ]
  } finally {
    for (const client of clients) client.close()
    rig.stop()
  }
}

/** One EventSource of one user. */
class Returning {
  readonly #url: string
  #retryMs = RETRY_MS
  #lastEventId = ''
  #opened = 0
  #closed = false
  #cancel: () => void = () => undefined
  isOpen = false
  recovered = false

  constructor(rig: Rig, user: string) {
    this.#url = `${rig.origin}/_rig/v1/connection/sse?subscriptions=${ANY('bench')}&jwt=${tokenOf(user)}`
    this.#connect()
  }

  get isBack(): boolean {
    return this.isOpen && this.#opened > 1
  }

  close(): void {
    this.#closed = true
    this.#cancel()
  }

  #connect(): void {
    if (this.#closed) return
    const again = () => {
      this.isOpen = false
      setTimeout(() => this.#connect(), this.#retryMs).unref()
    }
    let hasAnswer = false
    const position = this.#lastEventId === '' ? {} : { 'last-event-id': this.#lastEventId }
    const headers = { accept: 'text/event-stream', ...position }
    const request = get(this.#url, { agent: false, headers }, (response) => {
      hasAnswer = true
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
        this.#read(text)
        text = text.slice(text.lastIndexOf('\n') + 1)
      })
      response.on('close', again)
    })
    request.on('error', () => {
      if (!hasAnswer) again()
    })
    this.#cancel = () => request.destroy()
  }

  /** Whole lines, and the beginning of one. */
  #read(text: string): void {
    for (const line of text.split('\n').slice(0, -1)) {
      if (line.startsWith('retry: ')) this.#retryMs = Number(line.slice(7))
      if (line.startsWith('id: ')) this.#lastEventId = line.slice(4)
      if (!line.startsWith('data: ') || !line.includes('"rig.connection.create"')) continue
      this.#opened += 1
      this.isOpen = true
      this.recovered = line.includes('"recovered":true')
    }
  }
}

/** Asks /_rig/health over and over from the first answer on, and keeps the longest time that an answer took. */
class HealthWatch {
  readonly #ended: Promise<void>
  #isWanted = true
  #slowestMs = 0

  constructor(rig: Rig) {
    this.#ended = this.#watch(rig)
  }

  /** Milliseconds. */
  async end(): Promise<number> {
    this.#isWanted = false
    await this.#ended
    return this.#slowestMs
  }

  async #watch({ origin }: Rig): Promise<void> {
    while (this.#isWanted) {
      const askedMs = performance.now()
      const isUp = await fetch(`${origin}/_rig/health`).then(
        (answer) => answer.text(),
        () => undefined,
      )
      // Until workerd listens, nobody answers.
      if (isUp !== undefined) this.#slowestMs = Math.max(this.#slowestMs, performance.now() - askedMs)
      await pause(ASK_HEALTH_EVERY_MS)
    }
  }
}

function tokenOf(user: string): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256' })}.${encode({ sub: user, exp: Math.floor(Date.now() / 1_000) + 3_600 })}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`not all ${CLIENTS} clients were connected in two minutes`)
    await pause(20)
  }
}
