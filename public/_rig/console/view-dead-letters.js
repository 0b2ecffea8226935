// Dead letters: why they are, replay, discard.
import { button, h, pretty, tell, time } from './dom.js'
import { call } from './http.js'

/** @typedef {{ text?: string, base64?: string } | null} Shown */
/** @typedef {{ partition: number, offset: number, time: string, reason_code: string, reason: string, rule: string | null, origin: { topic: string | null, partition: number, offset: number }, key: Shown, value: Shown, omitted: boolean, handled: 'replayed' | 'discarded' | null }} Letter */

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
        .map((letter) => toItem(letter, isOperator, chosen))
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

/** @param {Letter} letter @param {boolean} isOperator @param {Set<Letter>} chosen */
function toItem(letter, isOperator, chosen) {
  const { handled, key, offset, omitted, origin, partition, reason, reason_code: code, rule, value } = letter
  const from = `${origin.topic ?? 'unknown'}/${origin.partition}/${origin.offset}`
  const box = h('input', {
    type: 'checkbox',
    'aria-label': `Choose ${from}`,
    onchange: () => (chosen.delete(letter) ? undefined : chosen.add(letter)),
  })
  return h(
    'article',
    { class: 'letter' },
    isOperator ? box : null,
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
      key === null ? null : h('p', {}, 'Key: ', h('code', {}, key.text ?? key.base64 ?? '')),
      h(
        'pre',
        { tabindex: 0 },
        omitted
          ? 'too large to be kept: replay reads it in its topic'
          : pretty(value?.text ?? value?.base64 ?? 'no value'),
      ),
    ),
  )
}
