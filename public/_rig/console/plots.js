// One plot: uPlot for the lines, and the numbers beside them as text, which screen readers read. Colours follow the page's
// light or dark; every line has a dash of its own, so that nothing is told by colour alone.
import uPlot from './uplot.js'
import { h } from './dom.js'

/** @typedef {import('./figures.js').Lines} Lines */
/** @typedef {{ title: string, hint: string, format: (value: number) => string, lines: (figures: import('./figures.js').Figures) => Lines }} PlotSpec */

const HEIGHT = 170
/** A plot is not of less time. */
const MIN_SECONDS = 600
const DASHES = [[], [6, 3], [2, 3], [9, 3, 2, 3]]
const STYLES = ['solid', 'dashed', 'dotted', 'double']
const COLOURS = 8

/** @param {PlotSpec} spec */
export function makePlot(spec) {
  const canvas = h('div', { class: 'canvas', 'aria-hidden': 'true' })
  const legend = h('ul', { class: 'legend' })
  const element = h(
    'figure',
    { class: 'plot' },
    h('figcaption', {}, h('strong', {}, spec.title), h('span', { class: 'hint' }, spec.hint)),
    canvas,
    legend,
  )
  /** @type {uPlot | undefined} */
  let plot
  let shown = ''
  /** @type {Lines} */
  let lines = { labels: [], times: [], lines: [] }

  function draw() {
    const width = Math.floor(canvas.clientWidth)
    const key = `${width} ${lines.labels.join('|')} ${matchMedia('(prefers-color-scheme: dark)').matches}`
    if (width === 0) return
    if (key !== shown) {
      plot?.destroy()
      plot = new uPlot(optionsOf(width, lines.labels, spec, showAt), toData(lines), canvas)
      shown = key
    } else plot?.setData(toData(lines))
    showAt(null)
  }

  /** The numbers at the cursor, or the newest. @param {number | null} index */
  function showAt(index) {
    const items = lines.labels.map((label, line) => {
      const values = lines.lines[line] ?? []
      const value = index === null ? values.findLast((one) => one !== null && one !== undefined) : values[index]
      const swatch = h('i', {
        class: `swatch c${line % COLOURS} ${STYLES[line % STYLES.length] ?? 'solid'}`,
        'aria-hidden': 'true',
      })
      return h(
        'li',
        {},
        swatch,
        label || spec.title,
        ' ',
        h('b', {}, value === null || value === undefined ? '–' : spec.format(value)),
      )
    })
    legend.replaceChildren(...(items.length > 0 ? items : [h('li', { class: 'none' }, 'nothing in the last hour')]))
  }

  const observer = new ResizeObserver(draw)
  observer.observe(canvas)
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  scheme.addEventListener('change', draw)

  return {
    element,
    /** @param {import('./figures.js').Figures} figures */
    show(figures) {
      lines = spec.lines(figures)
      draw()
    },
    remove() {
      observer.disconnect()
      scheme.removeEventListener('change', draw)
      plot?.destroy()
    },
  }
}

/** @param {Lines} lines @returns {uPlot.AlignedData} */
function toData({ lines, times }) {
  return /** @type {uPlot.AlignedData} */ ([times, ...lines])
}

/**
 * @param {number} width @param {readonly string[]} labels @param {PlotSpec} spec @param {(index: number | null) => void} showAt
 * @returns {uPlot.Options}
 */
function optionsOf(width, labels, { format }, showAt) {
  const style = getComputedStyle(document.documentElement)
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
  const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } }
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: { range: (_plot, first, last) => [Math.min(first, last - MIN_SECONDS), last] },
      y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      { ...axis, space: 60, size: 30, values: (_plot, times) => times.map((at) => clock(at)) },
      { ...axis, size: 58, values: (_plot, values) => values.map((value) => format(value)) },
    ],
    series: [
      {},
      ...labels.map((label, index) => ({
        label,
        stroke: colour(`--c${index % COLOURS}`),
        width: 1.6,
        dash: DASHES[index % DASHES.length] ?? [],
        points: { show: false },
        spanGaps: true,
      })),
    ],
    hooks: { setCursor: [(plot) => showAt(plot.cursor.idx ?? null)] },
  }
}

/** @param {number} atSeconds */
function clock(atSeconds) {
  return new Date(atSeconds * 1_000).toLocaleTimeString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  })
}
