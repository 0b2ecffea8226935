// Shows the internal API by its description, openapi.json: methods, paths, what goes in and what comes out.

/** @typedef {{ name: string, in: string }} Parameter */
/** @typedef {{ $ref?: string }} Schema */
/** @typedef {{ summary: string, parameters?: Parameter[], requestBody?: { content: Record<string, { schema: Schema }> }, responses: Record<string, { description: string }> }} Operation */
/** @typedef {{ parameters?: Parameter[], get?: Operation, post?: Operation, put?: Operation, delete?: Operation }} Item */
/** @typedef {{ servers: [{ url: string }], paths: Record<string, Item>, components: { schemas: Record<string, object> } }} Description */

const METHODS = /** @type {const} */ (['get', 'post', 'put', 'delete'])

void show()

async function show() {
  const response = await fetch('/_rig/api/openapi.json')
  const description = /** @type {Description} */ (await response.json())
  const main = document.querySelector('#operations')
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS) {
      const operation = item[method]
      const title = `${method.toUpperCase()} ${description.servers[0].url}${path}`
      if (operation !== undefined) main?.append(section(title, item, operation, description))
    }
  }
}

/** @param {string} title @param {Item} item @param {Operation} operation @param {Description} description */
function section(title, item, operation, description) {
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])]
  const bodies = Object.entries(operation.requestBody?.content ?? {})
  const made = document.createElement('section')
  made.append(
    element('h2', title),
    element('p', operation.summary),
    ...parameters.map(({ name, in: where }) => element('p', `${where} parameter: ${name}`)),
    ...bodies.map(([type, { schema }]) => element('pre', `${type}\n${text(schema, description)}`)),
    ...Object.entries(operation.responses).map(([status, answer]) => element('p', `${status}: ${answer.description}`)),
  )
  return made
}

/** @param {Schema} schema @param {Description} description */
function text(schema, description) {
  const name = schema.$ref?.split('/').at(-1)
  return JSON.stringify(name === undefined ? schema : description.components.schemas[name], null, 2)
}

/** @param {string} tag @param {string} content */
function element(tag, content) {
  const made = document.createElement(tag)
  made.textContent = content
  return made
}
