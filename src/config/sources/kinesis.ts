// Variables of Kinesis: the streams that are followed, regions and endpoint. KINESIS_ENABLED, KINESIS_STREAM,
// KINESIS_AWS_REGION, KINESIS_ENDPOINT and PROXY_KINESIS_REQUEST_REGION are RIG's. Credentials are AWS's own variables.
import * as z from 'zod'
import { KINESIS_STREAM, KINESIS_STREAM_RULE, topicOf } from '../../core/events/topic-source.ts'
import { exposesSecrets, flag, HTTPS_RULE, list, serviceUrl } from '../env-fields.ts'

const region = z.string().regex(/^[a-z0-9-]{1,40}$/, 'must be an AWS region such as eu-west-1')

/** The variables of Kinesis, as zod schemas. */
export const kinesisVariables = {
  KINESIS_ENABLED: flag,
  KINESIS_STREAM: list.pipe(z.array(z.string().regex(KINESIS_STREAM, KINESIS_STREAM_RULE))).default(['RIG-outbound']),
  KINESIS_AWS_REGION: region.default('eu-west-1'),
  KINESIS_ENDPOINT: serviceUrl('http://localhost:4566').optional(),
  PROXY_KINESIS_REQUEST_REGION: region.default('eu-west-1'),
}

type Variables = z.infer<z.ZodObject<typeof kinesisVariables>> & {
  readonly AWS_ACCESS_KEY_ID?: string | undefined
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined
  readonly AWS_SESSION_TOKEN?: string | undefined
}

/** Returns the settings of Kinesis. `topics` is empty unless KINESIS_ENABLED is true; requests are published without it. */
export function toKinesis(v: Variables) {
  return {
    /** The followed streams, as topics: `kinesis:clicks`. */
    topics: v.KINESIS_ENABLED ? v.KINESIS_STREAM.map((name) => topicOf({ kind: 'kinesis', name })) : [],
    region: v.KINESIS_AWS_REGION,
    /** The region of streams that are not followed, which requests are published to. */
    requestRegion: v.PROXY_KINESIS_REQUEST_REGION,
    /** Null: AWS's endpoint of the region. */
    endpoint: v.KINESIS_ENDPOINT ?? null,
    /** Null: there are none, and every call fails. */
    credentials:
      v.AWS_ACCESS_KEY_ID && v.AWS_SECRET_ACCESS_KEY
        ? {
            accessKeyId: v.AWS_ACCESS_KEY_ID,
            secretAccessKey: v.AWS_SECRET_ACCESS_KEY,
            sessionToken: v.AWS_SESSION_TOKEN ?? null,
          }
        : null,
  }
}

/** Where the streams are, and how Rigel authenticates. */
export type KinesisConfig = ReturnType<typeof toKinesis>

/** Returns a problem for each combination of variables that cannot work. */
export function kinesisContradictions(v: Variables): readonly string[] {
  const problems: string[] = []
  if (v.KINESIS_ENABLED && !(v.AWS_ACCESS_KEY_ID && v.AWS_SECRET_ACCESS_KEY))
    problems.push('KINESIS_ENABLED: needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
  if (v.KINESIS_ENDPOINT && exposesSecrets(v.KINESIS_ENDPOINT)) problems.push(`KINESIS_ENDPOINT: ${HTTPS_RULE}`)
  return problems
}
