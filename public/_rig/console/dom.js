// Makes elements: text is always text, never markup.

/** @typedef {string | number | Node | null | undefined | false} Child */
/** @typedef {{ [name: string]: string | number | boolean | EventListener | undefined }} Props */

/**
 * `class` and attributes by their names; `on…` are listeners. False and undefined are left out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Props} props @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === undefined) continue
    if (typeof value === 'function') made.addEventListener(name.slice(2), value)
    else made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(toNode))
  return made
}

/** @param {Child} child */
function toNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child))
}

/**
 * A table that scrolls by itself on a narrow screen, also by keyboard.
 * @param {string} caption @param {readonly string[]} columns @param {readonly (readonly Child[])[]} rows
 */
export function table(caption, columns, rows) {
  const head = h('tr', {}, ...columns.map((name) => h('th', { scope: 'col' }, name)))
  const body = rows.map((cells) =>
    h('tr', {}, ...cells.map((cell, index) => (index === 0 ? h('th', { scope: 'row' }, cell) : h('td', {}, cell)))),
  )
  if (rows.length === 0) body.push(h('tr', {}, h('td', { colspan: columns.length, class: 'none' }, 'none')))
  return h(
    'div',
    { class: 'scroll', role: 'region', 'aria-label': caption, tabindex: 0 },
    h('table', {}, h('caption', {}, caption), h('thead', {}, head), h('tbody', {}, ...body)),
  )
}

/** @param {string} label @param {Props} props */
export function field(label, props) {
  return h('label', {}, label, h('input', { spellcheck: 'false', autocomplete: 'off', ...props }))
}

/** @param {string} text @param {() => unknown} act @param {Props} props */
export function button(text, act, props = {}) {
  return h('button', { type: 'button', ...props, onclick: () => void act() }, text)
}

/**
 * A form whose values go to `submit`; what that throws is shown.
 * @param {(values: Record<string, string>) => Promise<void>} submit @param {...Child} children
 */
export function form(submit, ...children) {
  const made = h('form', { class: 'row' }, ...children)
  made.addEventListener('submit', (event) => {
    event.preventDefault()
    const values = Object.fromEntries(
      [...new FormData(made)].map(([name, value]) => [name, typeof value === 'string' ? value : '']),
    )
    submit(values).catch((/** @type {Error} */ error) => tell(error.message, true))
  })
  return made
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let hideStatus

/** Says something to everybody: on the screen, and to screen readers. @param {string} text @param {boolean} isError */
export function tell(text, isError = false) {
  const status = document.querySelector('#status')
  if (!(status instanceof HTMLElement)) return
  status.textContent = text
  status.className = isError ? 'toast bad' : 'toast'
  clearTimeout(hideStatus)
  hideStatus = setTimeout(() => (status.className = 'hidden'), 6_000)
}

/** @param {number} atMs */
export function time(atMs) {
  return new Date(atMs).toLocaleString()
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 60_000) return `${Math.max(0, Math.round(ms / 1_000))} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`
}

/** @param {number} value */
export function number(value) {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 })
}

/** Pretty JSON, if it is JSON. @param {string} text */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
