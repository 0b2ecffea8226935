// Following the sources besides Kafka, each beside its own client in Node. Kafka's figures are in kafka.ts.
import type { Figure } from './figure.ts'
import { kinesis } from './kinesis-source.ts'
import { nats } from './nats-source.ts'

export async function sources(): Promise<readonly Figure[]> {
  return [...(await nats()), ...(await kinesis())]
}
