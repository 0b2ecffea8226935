// Dead letters: why they are, replay as they are or changed, discard.
import { button, h, pretty, tell, time } from './dom.js'
import { editDeadLetter } from './edit-dead-letter.js'
import { call } from './http.js'

/** @typedef {import('./edit-dead-letter.js').EditedRecord} EditedRecord */
/** @typedef {{ partition: number, offset: number, time: string, reason_code: string, reason: string, rule: string | null, origin: { topic: string | null, partition: number, offset: number }, key: EditedRecord['key'], value: EditedRecord['value'], headers: EditedRecord['headers'], omitted: boolean, handled: 'replayed' | 'discarded' | null }} Letter */

const LIMIT = 100

/** @type {import('./app.js').View} */
export const deadLetters = {
  title: 'Dead letters',
  show({ isOperator }) {
    const list = h('div', { 'aria-live': 'polite' })
    const all = h('input', { type: 'checkbox', onchange: () => void refresh() })
    /** @type {Set<Letter>} */
    const chosen = new Set()

    async function refresh() {
      const answer = /** @type {{ topic: string, dead_letters: Letter[] }} */ (
        await call(`/v3/dead-letters?limit=${LIMIT}`)
      )
      const letters = answer.dead_letters.filter(({ handled }) => all.checked || handled === null)
      chosen.clear()
      const items = letters
        .toSorted((a, b) => b.time.localeCompare(a.time))
        .map((letter) => toItem(letter, isOperator ? { chosen, edit } : null))
      const none = h('p', { class: 'none' }, 'No dead letters that are not handled.')
      list.replaceChildren(
        h('p', { class: 'hint' }, `The newest of each partition of ${answer.topic}.`),
        ...(items.length > 0 ? items : [none]),
      )
    }

    /** @param {'replay' | 'discard'} how */
    async function handle(how) {
      if (chosen.size === 0) return tell('Choose dead letters first.', true)
      const body = { dead_letters: [...chosen].map(({ offset, partition }) => ({ partition, offset })) }
      await call(`/v3/dead-letters/${how}`, { method: 'POST', body })
      tell(
        how === 'replay' ? `${chosen.size} produced again, to the end of their topics.` : `${chosen.size} discarded.`,
      )
      await refresh()
    }

    /** @param {Letter} letter @param {Partial<EditedRecord>} record */
    async function edit({ offset, partition }, record) {
      await call('/v3/dead-letters/replay', {
        method: 'POST',
        body: { dead_letters: [{ partition, offset, record }] },
      })
      tell('The changed record was produced again, to the end of its topic.')
      await refresh()
    }

    void refresh()
    const tools = h(
      'div',
      { class: 'row tools' },
      isOperator ? button('Replay', () => handle('replay'), { class: 'primary' }) : null,
      isOperator ? button('Discard', () => handle('discard')) : null,
      button('Refresh', refresh),
      h('label', { class: 'check' }, all, 'also those that were replayed or discarded'),
    )
    return { element: h('div', {}, tools, list) }
  },
}

/** @typedef {{ chosen: Set<Letter>, edit: (letter: Letter, record: Partial<EditedRecord>) => Promise<void> }} Actions */

/** @param {Letter} letter @param {Actions | null} actions Null for who may only look. */
function toItem(letter, actions) {
  const { handled, key, offset, omitted, origin, partition, reason, reason_code: code, rule, value } = letter
  const from = `${origin.topic ?? 'unknown'}/${origin.partition}/${origin.offset}`
  return h(
    'article',
    { class: 'letter' },
    actions === null ? null : chooser(letter, from, actions),
    h(
      'details',
      { class: 'record' },
      h(
        'summary',
        {},
        h('b', { class: 'bad' }, code),
        ' ',
        h(
          'span',
          { class: 'hint' },
          `${from}, ${time(Date.parse(letter.time))}${handled === null ? '' : `, ${handled}`}`,
        ),
        h('br', {}),
        reason,
      ),
      h('p', {}, `Dead letter ${partition}/${offset}${rule === null ? '' : `, by the rule "${rule}"`}.`),
      key === null ? null : h('p', {}, 'Key: ', h('code', {}, textOf(key))),
      h(
        'pre',
        { tabindex: 0 },
        omitted
          ? 'too large to be kept: replay reads it in its topic'
          : pretty(value === null ? 'no value' : textOf(value)),
      ),
      actions === null || omitted ? null : editor(letter, actions),
    ),
  )
}

/** @param {Letter} letter @param {string} from @param {Actions} actions */
function chooser(letter, from, { chosen }) {
  const onchange = () => (chosen.delete(letter) ? undefined : chosen.add(letter))
  return h('input', { type: 'checkbox', 'aria-label': `Choose ${from}`, onchange })
}

/** The form is made when it is asked for. @param {Letter} letter @param {Actions} actions */
function editor(letter, { edit }) {
  const place = h('div', {})
  const open = button('Edit', () => {
    place.replaceChildren(editDeadLetter(letter, (record) => edit(letter, record)))
  })
  place.append(open)
  return place
}

/** @param {{ text: string } | { base64: string }} content */
function textOf(content) {
  return 'text' in content ? content.text : content.base64
}
