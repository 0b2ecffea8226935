// Every variable with the value that is in force, and where it comes from.
import { h, table } from './dom.js'
import { call } from './http.js'

/** @typedef {{ name: string, value: string | null, isDefault: boolean }} Variable */

const DEV_MODE_IS_ON = 'DEV_MODE is on: anybody gets a token for any user, and this console opens by itself.'

/** @type {import('./app.js').View} */
export const configuration = {
  title: 'Configuration',
  show() {
    const holder = h('div', {})
    async function showVariables() {
      const answer = /** @type {{ variables: Variable[], warnings: string[], devMode: boolean }} */ (
        await call('/v1/configuration')
      )
      const warnings = answer.devMode ? [DEV_MODE_IS_ON, ...answer.warnings] : answer.warnings
      const own = answer.variables.filter(({ isDefault }) => !isDefault)
      holder.replaceChildren(
        ...warnings.map((warning) => h('p', { class: 'bad' }, warning)),
        table('Set by you', ['variable', 'value'], toRows(own)),
        table('Defaults', ['variable', 'value'], toRows(answer.variables.filter(({ isDefault }) => isDefault))),
      )
    }
    void showVariables()
    const hint =
      'Secrets, and URLs that may have one in them, are hidden. docs/configuration.md says what each variable means.'
    return { element: h('div', {}, h('p', { class: 'hint' }, hint), holder) }
  },
}

/** @param {readonly Variable[]} variables */
function toRows(variables) {
  return variables.map(({ name, value }) => [h('code', {}, name), h('code', {}, value ?? 'not set')])
}
