// RIG's format of an API definition, as zod schemas, with the options of route-options.ts in each endpoint. rig-format.ts makes routes
// of it; the JSON Schema for editors is generated from the same schemas.
import * as z from 'zod'
import { PUBLISH_TARGETS } from './publish-target.ts'
import { METHOD, headersSchema, routeOptions, textSchema, unicodeSchema } from './route-options.ts'

const TARGETS = ['http', ...PUBLISH_TARGETS] as const

/** RIG compares targets without case. */
const caseless = <T extends readonly string[]>(values: T) =>
  z.preprocess((value) => (typeof value === 'string' ? value.toLowerCase() : value), z.enum(values))

/** RIG's metadata, and fields of older versions of RIG, which RIG 3 ignores too. */
const ignored = z.unknown().optional()

const endpointSchema = z.strictObject({
  id: textSchema,
  method: textSchema.regex(METHOD, 'must be a method such as GET, or *'),
  path_regex: textSchema,
  path_replacement: z.string().optional(),
  secured: z.boolean().default(false),
  transform_request_headers: z.boolean().default(false),
  target: caseless(TARGETS).optional(),
  topic: textSchema.optional(),
  schema: z.string().optional(),
  response_from: caseless(['http', 'kafka', 'http_async', 'nats'] as const).default('http'),
  ...routeOptions,
  type: ignored,
})

const versionSchema = z.strictObject({
  endpoints: z.array(endpointSchema),
  transform_request_headers: z.strictObject({ add_headers: headersSchema.default({}) }).optional(),
})

export const rigFormSchema = z.strictObject({
  node_name: ignored,
  phx_ref: ignored,
  ref_number: ignored,
  timestamp: ignored,
  id: textSchema,
  name: z.string().optional(),
  active: z.boolean().default(true),
  auth_type: z.enum(['none', 'jwt']).default('none'),
  auth: z
    .strictObject({
      use_header: z.boolean().default(false),
      header_name: z.string().default(''),
      use_query: z.boolean().default(false),
      query_name: z.string().default(''),
      use_cookie: z.boolean().default(false),
      cookie_name: z.string().default(''),
    })
    .optional(),
  versioned: z.boolean().default(false),
  version_data: z.record(unicodeSchema, versionSchema),
  proxy: z.strictObject({
    target_url: z.string(),
    port: z.int().min(1).max(65_535),
    use_env: z.boolean().default(false),
    targets: z
      .array(z.strictObject({ url: textSchema, weight: z.int().min(1).max(1_000).default(1) }))
      .min(1)
      .optional(),
  }),
})

export type RigForm = z.infer<typeof rigFormSchema>
export type Endpoint = z.infer<typeof endpointSchema>
