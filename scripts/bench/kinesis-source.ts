// Following Kinesis beside AWS's own client in Node: a backlog, and one record from a producer to a client. For sources.ts.
// The server is moto's, which has no limits; AWS allows two megabytes and five reads a second of a shard. Needs Python 3, once.
import type { AddressInfo } from 'node:net'
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  PutRecordsCommand,
  type GetRecordsCommandOutput,
} from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { WebSocketServer } from 'ws'
import { KINESIS_VARIABLES, KinesisServer } from '../sources/kinesis-server.ts'
import { figureOf, millisecondsOf, quick, type Figure } from './figure.ts'
import { NO_KAFKA, startFollowing } from './kafka-rig.ts'
import { backlogEvent, followAll, RECORD_BYTES } from './source-backlog.ts'
import { sourceLatency } from './source-latency.ts'

const PORT = 20_762
const SHARDS = 4
const RECORDS = quick ? 20_000 : 50_000
/** The most that one call of PutRecords takes. */
const PUT_RECORDS = 500
/** AWS allows five reads of a shard per second. */
const POLL_MS = 200

export async function kinesis(): Promise<readonly Figure[]> {
  const server = await KinesisServer.startMoto(PORT)
  const client = new KinesisClient({
    endpoint: server.endpoint,
    // The client speaks HTTP/2 by itself, which needs TLS here.
    requestHandler: new NodeHttpHandler(),
    region: KINESIS_VARIABLES.KINESIS_AWS_REGION,
    credentials: {
      accessKeyId: KINESIS_VARIABLES.AWS_ACCESS_KEY_ID,
      secretAccessKey: KINESIS_VARIABLES.AWS_SECRET_ACCESS_KEY,
    },
  })
  try {
    await server.createStream('backlog', SHARDS)
    await server.createStream('latency', 1)
    await fill(client)
    const bare = await consumeBacklog(client, await server.shards('backlog'))
    const rigel = await followAll(RECORDS, variables(server, 'backlog'))
    const figure = `a backlog of Kinesis in ${SHARDS} shards, beside AWS's client parsing records`
    return [figureOf(figure, rigel, bare), ...(await latency(client, server))]
  } finally {
    client.destroy()
    await server.stop()
  }
}

function variables(server: KinesisServer, stream: string): Readonly<Record<string, string>> {
  return { ...KINESIS_VARIABLES, KINESIS_ENDPOINT: server.endpoint, KINESIS_STREAM: stream }
}

async function fill(client: KinesisClient): Promise<void> {
  const Data = Buffer.from(backlogEvent(RECORD_BYTES))
  for (let sent = 0; sent < RECORDS; sent += PUT_RECORDS) {
    const Records = Array.from({ length: PUT_RECORDS }, (_, n) => ({ Data, PartitionKey: `key-${sent + n}` }))
    const { FailedRecordCount: failed } = await client.send(new PutRecordsCommand({ StreamName: 'backlog', Records }))
    if (failed !== undefined && failed > 0) throw new Error(`Kinesis refused ${failed} records`)
  }
}

/** All shards at once, each read again as soon as it has answered. */
async function consumeBacklog(client: KinesisClient, shards: readonly { readonly ShardId: string }[]): Promise<number> {
  let count = 0
  const ms = await millisecondsOf(() =>
    Promise.all(
      shards.map(({ ShardId }) =>
        readShard(client, { stream: 'backlog', shard: ShardId, from: 'TRIM_HORIZON' }, async (answer) => {
          for (const { Data = new Uint8Array() } of answer.Records ?? []) JSON.parse(Buffer.from(Data).toString())
          count += answer.Records?.length ?? 0
          return count < RECORDS
        }),
      ),
    ),
  )
  return (count / ms) * 1_000
}

interface ShardPlace {
  readonly stream: string
  readonly shard: string
  readonly from: 'TRIM_HORIZON' | 'LATEST'
}

/** Until `isWanted` says no. */
async function readShard(
  client: KinesisClient,
  { from, shard, stream }: ShardPlace,
  isWanted: (answer: GetRecordsCommandOutput) => Promise<boolean>,
): Promise<void> {
  const start = { StreamName: stream, ShardId: shard, ShardIteratorType: from }
  let { ShardIterator: iterator } = await client.send(new GetShardIteratorCommand(start))
  while (iterator !== undefined) {
    const answer = await client.send(new GetRecordsCommand({ ShardIterator: iterator }))
    iterator = (await isWanted(answer)) ? answer.NextShardIterator : undefined
  }
}

async function latency(client: KinesisClient, server: KinesisServer): Promise<readonly Figure[]> {
  const rig = await startFollowing(NO_KAFKA, 'latest', variables(server, 'latency'))
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  let isOver = false
  const [shard] = await server.shards('latency')
  const place = { stream: 'latency', shard: shard?.ShardId ?? '', from: 'LATEST' } as const
  const reading = readShard(client, place, async ({ Records = [] }) => {
    for (const { Data = new Uint8Array() } of Records)
      for (const socket of sockets.clients) socket.send(Buffer.from(Data).toString())
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    return !isOver
  })
  const figures = await sourceLatency({
    name: "Kinesis to WebSocket, beside AWS's client, which reads five times a second, and ws",
    rigelOrigin: rig.wsOrigin,
    bareUrl: `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`,
    send: (json) => server.put('latency', 'key', json),
  })
  isOver = true
  await reading
  sockets.close()
  rig.stop()
  return figures
}
