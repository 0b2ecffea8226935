// Followers and shards, as they last reported. An object that sleeps reports nothing: what it said still holds.
import { duration, h, number, table, time } from './dom.js'

/** @typedef {import('./figures.js').Figures} Figures */

/** @param {string} hint @param {(figures: Figures) => HTMLElement[]} make @returns {import('./app.js').Shown} */
function liveTables(hint, make) {
  const holder = h('div', {})
  const element = h('div', {}, h('p', { class: 'hint' }, hint), holder)
  let drawn = ''
  return {
    element,
    figures(figures) {
      // A table that did not change keeps its place, and what is selected in it.
      const tables = make(figures)
      const text = tables.map((one) => one.textContent).join()
      if (text !== drawn) holder.replaceChildren(...tables)
      drawn = text
    },
  }
}

/** @param {number} failures @param {string | null} lastError */
function health(failures, lastError) {
  if (failures === 0) return h('span', { class: 'good' }, 'works')
  return h('span', { class: 'bad long' }, `failed ${failures} times: ${lastError ?? ''}`)
}

/** @type {import('./app.js').View} */
export const followers = {
  title: 'Followers',
  show: () =>
    liveTables(
      'Each topic-partition has one follower: it reads records, and appends their events to shards.',
      (figures) => {
        const rows = figures.sources
          .filter(({ detail, source }) => detail !== null && source.includes('/'))
          .toSorted((a, b) => a.source.localeCompare(b.source, undefined, { numeric: true }))
          .map(({ atMs, detail, source }) => {
            const {
              counters = null,
              deadLetters = { byReason: {}, last: null },
              failures = 0,
              lag = null,
              lastError = null,
            } = detail ?? {}
            const { last } = deadLetters
            return [
              source,
              counters === null ? 'not started' : number(counters.offset),
              lag === null ? '–' : number(lag),
              counters === null ? '–' : number(counters.records),
              health(failures, lastError),
              counters === null ? '–' : number(counters.deadLetters),
              last === null
                ? '–'
                : h(
                    'span',
                    { class: 'long' },
                    `${last.code} at ${last.offset}, ${time(last.timestampMs)}: ${last.reason}`,
                  ),
              `${duration(figures.nowMs - atMs)} ago`,
            ]
          })
        return [
          table(
            'Followers',
            ['partition', 'next offset', 'lag', 'records', 'health', 'dead letters', 'last dead letter', 'reported'],
            rows,
          ),
        ]
      },
    ),
}

/** @type {import('./app.js').View} */
export const shards = {
  title: 'Shards',
  show: () =>
    liveTables(
      'Users are spread over shards. Each has a log, from which clients resume: between floor and head.',
      (figures) => {
        const rows = figures.sources
          .filter(({ source }) => /^shard \d+$/.test(source))
          .toSorted((a, b) => a.source.localeCompare(b.source, undefined, { numeric: true }))
          .map(({ atMs, source, values }) => {
            const of = (/** @type {string} */ name) => values.find((one) => one.name === name)?.value ?? 0
            const open = values.filter(({ name }) => name === 'rigel_connections')
            const byTransport = open.map(({ labels, value }) => `${labels[1] ?? ''} ${value}`).join(', ')
            return [
              source.slice(6),
              number(open.reduce((sum, { value }) => sum + value, 0)),
              byTransport || '–',
              number(of('rig_subscriptions_total')),
              `${number(of('rigel_log_bytes') / 1_024)} KiB`,
              number(of('rigel_log_floor')),
              number(of('rigel_log_head')),
              `${duration(figures.nowMs - atMs)} ago`,
            ]
          })
        const caption = `Shards: ${rows.length} of ${figures.shards} have reported`
        return [
          table(
            caption,
            ['shard', 'connections', 'by transport', 'subscriptions', 'log', 'floor', 'head', 'reported'],
            rows,
          ),
        ]
      },
    ),
}
