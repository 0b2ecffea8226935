// Topics: browse records, see what Rigel makes of each, and ask where it went.
import { button, field, form, h, number, pretty, table, time } from './dom.js'
import { call } from './http.js'

/** @typedef {{ topic: string, problem: string | null, partitions: { partition: number, earliest: number, latest: number }[] }} Topic */
/** @typedef {{ offset: number, timestampMs: number, key: string | null, value: string | null, headers: { key: string, value: string | null }[], outcome: string, reason?: string, type?: string, recipients?: string[] | null, rule?: string | null }} BrowsedRecord */

/** @type {import('./app.js').View} */
export const topics = {
  title: 'Topics',
  show() {
    const list = h('div', {})
    const records = h('div', { 'aria-live': 'polite' })
    const ask = form(
      async (values) => browse(values),
      field('Topic', { name: 'topic', required: true }),
      field('Partition', { name: 'partition', type: 'number', min: 0, value: 0, required: true }),
      field('From offset', { name: 'offset', type: 'number', min: 0, placeholder: 'the newest' }),
      field('Records', { name: 'limit', type: 'number', min: 1, max: 100, value: 20 }),
      h('button', { type: 'submit', class: 'primary' }, 'Browse'),
    )

    async function showTopics() {
      const answer = /** @type {{ topics: Topic[] }} */ (await call('/v1/topics'))
      const rows = answer.topics.flatMap(toRows)
      list.replaceChildren(table('Topics', ['topic', 'partition', 'from', 'to', ''], rows))
    }

    /** @param {Record<string, string>} values */
    async function browse({ topic = '', ...values }) {
      for (const [name, value] of Object.entries({ topic, offset: '', ...values })) {
        const input = ask.elements.namedItem(name)
        if (input instanceof HTMLInputElement) input.value = value
      }
      const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ''))
      const path = `/v1/topics/${encodeURIComponent(topic)}/records?${query}`
      const answer = /** @type {{ partition: number, latest: number, records: BrowsedRecord[] }} */ (await call(path))
      const title = `${answer.records.length} records of ${topic}/${answer.partition}, which ends at ${answer.latest}`
      records.replaceChildren(
        h('h3', { tabindex: -1 }, title),
        ...answer.records
          .toReversed()
          .map((record) => toDetails(record, `${topic}/${answer.partition}/${record.offset}`)),
      )
      records.scrollIntoView({ block: 'start' })
    }

    /** @param {Topic} topic @returns {(string | number | Node)[][]} */
    function toRows({ partitions, problem, topic }) {
      if (problem !== null) return [[topic, '–', '–', '–', h('span', { class: 'bad' }, problem)]]
      return partitions.map(({ earliest, latest, partition }) => {
        const label = { 'aria-label': `Browse ${topic}/${partition}` }
        const browseIt = button('Browse', () => browse({ topic, partition: String(partition) }), label)
        return [topic, partition, number(earliest), number(latest), browseIt]
      })
    }

    void showTopics()
    return { element: h('div', {}, list, ask, records) }
  },
}

/** @param {BrowsedRecord} record @param {string} place */
function toDetails(record, place) {
  const { headers, key, offset, outcome, reason, recipients, rule, timestampMs, type, value } = record
  const whom = outcome !== 'event' ? '' : recipients ? `for ${recipients.join(', ')}` : 'for all subscribers'
  return h(
    'details',
    { class: 'record' },
    h(
      'summary',
      {},
      h('code', {}, offset),
      ' ',
      h('b', { class: outcome === 'event' ? '' : 'bad' }, type ?? outcome),
      ' ',
      h('span', { class: 'hint' }, `${whom} ${time(timestampMs)}`),
    ),
    reason ? h('p', { class: 'bad' }, reason) : null,
    rule ? h('p', {}, `By the rule "${rule}" of TOPICS.`) : null,
    key === null ? null : h('p', {}, 'Key: ', h('code', {}, key)),
    headers.length === 0
      ? null
      : h('p', {}, 'Headers: ', h('code', {}, headers.map((one) => `${one.key}: ${one.value ?? ''}`).join(', '))),
    h('pre', { tabindex: 0 }, value === null ? 'no value' : pretty(value)),
    outcome === 'dead letter'
      ? null
      : h('a', { href: `#explain?event=${encodeURIComponent(place)}` }, 'Where did it go?'),
  )
}
