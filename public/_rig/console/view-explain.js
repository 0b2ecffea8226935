// "Why didn't Alice get it?"
import { field, form, h, pretty, table, time } from './dom.js'
import { call } from './http.js'

/** @typedef {{ transport: string, openedAtMs: number, ended: { atMs: number, reason: string } | null, writtenSeq: number, acknowledgedSeq: number | null, isAssumed: boolean, text: string }} ExplainedConnection */
/** @typedef {{ at?: { topic: string, partition: number, offset: number }, type?: string, rule?: string | null, event?: unknown, recipients?: string | string[], shard?: number, log?: { kind: string, seq?: number, floor?: number }, shards?: { shard: number, log: { kind: string, seq?: number }, matched: number }[], connections?: ExplainedConnection[], verdict?: string, text?: string }} Explanation */

/** @type {Record<string, [string, string]>} */
const VERDICTS = {
  received: ['good', 'Received'],
  waits: ['wait', 'On its way'],
  not_received: ['bad', 'Not received'],
  unknown: ['wait', 'Unknown'],
}

/** @type {import('./app.js').View} */
export const explain = {
  title: 'Explain',
  show({ query }) {
    const result = h('div', { 'aria-live': 'polite' })
    /** @param {string} event @param {string} user */
    async function ask(event, user) {
      const asked = new URLSearchParams({ event, ...(user === '' ? {} : { user }) })
      result.replaceChildren(...describe(/** @type {Explanation} */ (await call(`/v1/explain?${asked}`)), user))
    }
    const event = query.get('event') ?? ''
    const question = form(
      async (values) => ask(values['event']?.trim() ?? '', values['user']?.trim() ?? ''),
      field('Event', { name: 'event', value: event, placeholder: 'rig/0/17, or its id', required: true }),
      field('User', { name: 'user', value: query.get('user') ?? '', placeholder: 'alice; empty: where it went' }),
      h('button', { type: 'submit', class: 'primary' }, 'Why?'),
    )
    if (event !== '') void ask(event, query.get('user') ?? '')
    const hint =
      "Why didn't Alice get it? Name the event by topic/partition/offset, as its publish returned it, or by its id."
    return { element: h('div', {}, h('p', { class: 'hint' }, hint), question, result) }
  },
}

/** @param {Explanation} found @param {string} user */
function describe(
  { at, connections = [], event, log, recipients, rule, shard, shards = [], text, type, verdict },
  user,
) {
  const [state, title] = VERDICTS[verdict ?? ''] ?? ['', '']
  const steps = [
    at === undefined
      ? null
      : `Record ${at.topic}/${at.partition}/${at.offset}${rule ? `, by the rule "${rule}"` : ''}.`,
    type === undefined
      ? null
      : `Event of type ${type}, for ${Array.isArray(recipients) ? recipients.join(', ') : recipients}.`,
    shard === undefined
      ? null
      : `${user} is at shard ${shard}. Its log: ${log?.kind.replace('_', ' ')}${log?.seq === undefined ? '' : `, at position ${log.seq}`}.`,
  ]
  return [
    title === '' ? null : h('p', { class: `verdict ${state}` }, h('b', {}, title), ` ${text ?? ''}`),
    h('ol', { class: 'steps' }, ...steps.filter((step) => step !== null).map((step) => h('li', {}, step))),
    shards.length === 0
      ? null
      : table(
          'Shards',
          ['shard', 'log', 'position', 'open connections that it passes to'],
          shards.map((one) => [one.shard, one.log.kind.replace('_', ' '), one.log.seq ?? '–', one.matched]),
        ),
    shard === undefined
      ? null
      : table(
          `Connections of ${user}`,
          ['transport', 'opened', 'ended', 'written to', 'acknowledged to', 'this event'],
          connections.map(toRow),
        ),
    event === undefined
      ? null
      : h(
          'details',
          { class: 'record' },
          h('summary', {}, 'The event'),
          h('pre', { tabindex: 0 }, pretty(JSON.stringify(event))),
        ),
  ].filter((one) => one !== null)
}

/** @param {ExplainedConnection} connection */
function toRow({ acknowledgedSeq, ended, isAssumed, openedAtMs, text, transport, writtenSeq }) {
  const note = isAssumed ? ' (The shard has slept since: its subscriptions of now are assumed.)' : ''
  return [
    transport,
    time(openedAtMs),
    ended === null ? 'open' : `${time(ended.atMs)}: ${ended.reason}`,
    writtenSeq,
    acknowledgedSeq ?? '–',
    text + note,
  ]
}
