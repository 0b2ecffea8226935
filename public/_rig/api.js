// Shows the internal API by its description, openapi.json, and sends requests to it: Swagger UI, which build-client.ts puts beside
// this file. `Authorize` takes INTERNAL_TOKEN, which is forgotten with the page.

/** @typedef {(options: Record<string, unknown>) => unknown} SwaggerUI */

const { SwaggerUIBundle } = /** @type {{ SwaggerUIBundle: SwaggerUI }} */ (/** @type {unknown} */ (window))

SwaggerUIBundle({
  url: '/_rig/api/openapi.json',
  dom_id: '#viewer',
  deepLinking: true,
  displayRequestDuration: true,
  // Nothing is sent elsewhere: not even the description, to be validated.
  validatorUrl: null,
})
