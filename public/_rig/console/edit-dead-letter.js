// The form by which an operator changes the record of a dead letter, and produces it again.
import { form, h } from './dom.js'

/** @typedef {{ text: string } | { base64: string }} Content */
/** @typedef {{ key: Content | null, value: Content | null, headers: ({ key: string } & Content)[] }} EditedRecord */

const HEADER = /^([^:]+):[ \t]?(.*)$/

/**
 * `submit` gets what was changed. Its errors are shown.
 * @param {EditedRecord} record @param {(change: Partial<EditedRecord>) => Promise<void>} submit
 */
export function editDeadLetter(record, submit) {
  const shown = { key: toText(record.key), value: toText(record.value), headers: toLines(record.headers) }
  const area = (/** @type {'value' | 'headers'} */ name, /** @type {number} */ rows) =>
    h('textarea', { name, rows, spellcheck: 'false' }, shown[name])
  return form(
    async (values) => {
      // A browser sends line breaks as CR LF.
      const text = (/** @type {keyof typeof shown} */ name) => (values[name] ?? '').replaceAll('\r\n', '\n')
      const isChanged = (/** @type {keyof typeof shown} */ name) => text(name) !== shown[name]
      await submit({
        ...(isChanged('key') ? { key: toContent(text('key'), record.key) } : {}),
        ...(isChanged('value') ? { value: toContent(text('value'), record.value) } : {}),
        ...(isChanged('headers') ? { headers: toHeaders(text('headers'), record.headers) } : {}),
      })
    },
    h('label', {}, labelOf('Key', record.key), h('input', { name: 'key', value: shown.key, spellcheck: 'false' })),
    h('label', { class: 'wide' }, 'Headers, one a line: name: value', area('headers', 4)),
    h('label', { class: 'wide' }, labelOf('Value', record.value), area('value', 10)),
    h('p', { class: 'hint' }, 'An empty key or value is none. A record that would be a dead letter again is refused.'),
    h('button', { type: 'submit', class: 'primary' }, 'Replay this record'),
  )
}

/** @param {string} name @param {Content | null} content */
function labelOf(name, content) {
  return content !== null && 'base64' in content ? `${name}, as base64` : name
}

/** @param {Content | null} content */
function toText(content) {
  if (content === null) return ''
  return 'text' in content ? content.text : content.base64
}

/** What was base64 stays so. @param {string} text @param {Content | null} before @returns {Content | null} */
function toContent(text, before) {
  if (text === '') return null
  return before !== null && 'base64' in before ? { base64: text } : { text }
}

/** @param {EditedRecord['headers']} headers */
function toLines(headers) {
  return headers.map((header) => `${header.key}: ${toText(header)}`).join('\n')
}

/** @param {string} lines @param {EditedRecord['headers']} before @returns {EditedRecord['headers']} */
function toHeaders(lines, before) {
  return lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const same = before.find((header) => toLines([header]) === line)
      if (same !== undefined) return same
      const [, key, text] = HEADER.exec(line) ?? []
      if (key === undefined || text === undefined) throw new Error(`A header is "name: value", not "${line}".`)
      return { key, text }
    })
}
