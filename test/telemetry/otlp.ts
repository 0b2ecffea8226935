// Parses OTLP's JSON as its specification says (opentelemetry-proto 1.x, "JSON Protobuf Encoding"), and refuses all else: trace
// and span identifiers are hexadecimal, 64-bit integers are decimal text, enumerations are numbers, names are in
// lowerCamelCase, and the nesting is that of ExportTraceServiceRequest. Used by the stub of a collector, and by tests.
import { z } from 'zod'

const id = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))
    .refine((hex) => !/^0+$/.test(hex), 'must not be zero')

const uint64 = z
  .string()
  .regex(/^\d+$/)
  .transform(BigInt)
  .refine((value) => value < 1n << 64n)

/** AnyValue, a oneof: exactly one member. Rigel sends no lists, maps or bytes. */
const anyValue = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ intValue: z.string().regex(/^-?\d+$/) }),
  z.strictObject({ boolValue: z.boolean() }),
  z.strictObject({ doubleValue: z.number() }),
])

const attributes = z
  .array(z.strictObject({ key: z.string().min(1), value: anyValue }))
  .refine((list) => new Set(list.map(({ key }) => key)).size === list.length, 'keys must be unique')
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]])))

const span = z
  .strictObject({
    traceId: id(16),
    spanId: id(8),
    traceState: z.string().optional(),
    parentSpanId: id(8).optional(),
    name: z.string().min(1),
    kind: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)]),
    startTimeUnixNano: uint64,
    endTimeUnixNano: uint64,
    attributes,
    status: z
      .strictObject({ code: z.union([z.literal(0), z.literal(1), z.literal(2)]), message: z.string().optional() })
      .optional(),
  })
  .refine(({ endTimeUnixNano, startTimeUnixNano }) => endTimeUnixNano >= startTimeUnixNano, 'ends before it starts')

const request = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string(), version: z.string().optional() }),
          spans: z.array(span),
        }),
      ),
    }),
  ),
})

export type ParsedSpan = z.infer<typeof span> & { readonly service: unknown }

/** Returns the spans, with the name of their service. Throws if the text is anything but a request by the specification. */
export function parseOtlp(text: string): readonly ParsedSpan[] {
  return request
    .parse(JSON.parse(text))
    .resourceSpans.flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map((one) => ({ ...one, service: resource.attributes['service.name'] }))),
    )
}
