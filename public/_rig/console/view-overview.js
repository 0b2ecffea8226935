// The last hour: plots with numbers beside them, and the last errors.
import { h, number, table, time } from './dom.js'
import { gauges, growth, percentiles, rates, samples, together } from './figures.js'
import { makePlot } from './plots.js'

/** @typedef {import('./figures.js').Figures} Figures */

const MINUTE_MS = 60_000
const milliseconds = (/** @type {number} */ seconds) =>
  seconds < 1 ? `${number(seconds * 1_000)} ms` : `${number(seconds)} s`

/** @type {readonly import('./plots.js').PlotSpec[]} */
const PLOTS = [
  {
    title: 'Events a second',
    hint: 'read from topics, published, written to connections',
    format: number,
    lines: (figures) =>
      together(
        ['rig_consumed_events_total', 'rig_produced_events_total', 'rigel_delivered_events_total'].map((name) =>
          rates(figures, name),
        ),
        ['in', 'published', 'out'],
      ),
  },
  {
    title: 'Connections',
    hint: 'by transport',
    format: number,
    lines: (figures) => gauges(figures, 'rigel_connections'),
  },
  {
    title: 'Produce to receive',
    hint: 'from the timestamp of a record until it was delivered',
    format: milliseconds,
    lines: (figures) => percentiles(figures, 'rigel_produce_to_receive_seconds'),
  },
  {
    title: 'Lag',
    hint: 'records not read, by partition',
    format: number,
    lines: (figures) => gauges(figures, 'rigel_follower_lag'),
  },
  {
    title: 'Dead letters a minute',
    hint: 'by reason',
    format: number,
    lines: (figures) => growth(figures, 'rigel_dead_letters_total', MINUTE_MS),
  },
  {
    title: 'Refusals a minute',
    hint: 'connections and publishes, by reason',
    format: number,
    lines: (figures) => rates(figures, 'rigel_refusals_total', MINUTE_MS),
  },
  {
    title: 'Proxied requests a second',
    hint: 'by status',
    format: number,
    lines: (figures) => rates(figures, 'rigel_proxy_responses_total'),
  },
  {
    title: 'Time to response',
    hint: 'of proxied requests',
    format: milliseconds,
    lines: (figures) => percentiles(figures, 'rigel_proxy_duration_seconds'),
  },
  {
    title: 'Errors a minute',
    hint: 'by where they were logged',
    format: number,
    lines: (figures) => rates(figures, 'rigel_errors_total', MINUTE_MS),
  },
]

/** @param {Figures} figures @param {string} name */
const sum = (figures, name) => samples(figures, name).reduce((total, { value }) => total + value, 0)
/** @param {Figures} figures @param {string} name */
const total = ({ totals }, name) => totals.filter((one) => one.name === name).reduce((all, { value }) => all + value, 0)

/** @type {readonly (readonly [string, (figures: Figures) => number])[]} */
const NUMBERS = [
  ['connections', (figures) => sum(figures, 'rigel_connections')],
  ['subscriptions', (figures) => sum(figures, 'rig_subscriptions_total')],
  ['records behind', (figures) => sum(figures, 'rigel_follower_lag')],
  [
    'failing followers',
    (figures) => samples(figures, 'rigel_follower_failures').filter(({ value }) => value > 0).length,
  ],
  ['dead letters', (figures) => sum(figures, 'rigel_dead_letters_total')],
  ['events delivered', (figures) => total(figures, 'rigel_delivered_events_total')],
]

/** @type {import('./app.js').View} */
export const overview = {
  title: 'Overview',
  show() {
    const plots = PLOTS.map(makePlot)
    const numbers = h('dl', { class: 'numbers' })
    const errors = h('div', {})
    return {
      element: h('div', {}, numbers, h('div', { class: 'plots' }, ...plots.map(({ element }) => element)), errors),
      figures(figures) {
        numbers.replaceChildren(
          ...NUMBERS.map(([name, of]) => h('div', {}, h('dt', {}, name), h('dd', {}, number(of(figures))))),
        )
        for (const plot of plots) plot.show(figures)
        const rows = figures.errors
          .toReversed()
          .map(({ atMs, message, source }) => [time(atMs), source, h('span', { class: 'long' }, message)])
        errors.replaceChildren(table('Last errors', ['when', 'where', 'what'], rows))
      },
      remove: () => plots.forEach((plot) => plot.remove()),
    }
  },
}
