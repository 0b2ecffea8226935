// Checks NATS servers and Kinesis streams: whether servers answer and have JetStream, and whether streams exist. Uses
// the code of src/sources for Kinesis. Called by doctor.ts.
import { connect as connectPlain, type Socket } from 'node:net'
import type { KinesisConfig } from '../../src/config/sources/kinesis.ts'
import type { NatsConfig } from '../../src/config/sources/nats.ts'
import { sourceOf } from '../../src/core/events/topic-source.ts'
import { isObject, parseJson, type JsonObject } from '../../src/core/json.ts'
import { createKinesisCall } from '../../src/sources/kinesis/kinesis-client.ts'
import { listShards } from '../../src/sources/kinesis/shards.ts'
import { messageOf, ok, problem, warning, type Finding } from './finding.ts'

const TIMEOUT_MS = 10_000
const MAX_INFO_CHARS = 65_536

type NatsServer = NatsConfig['servers'][number]

/** A server sends INFO as soon as a client connects. */
export async function checkNats(config: NatsConfig): Promise<readonly Finding[]> {
  return Promise.all(
    config.servers.map(async (server) => {
      const subject = `NATS ${server.host}:${server.port}`
      try {
        return judgeNats(subject, await readInfo(server), config)
      } catch (error) {
        return problem(subject, messageOf(error), 'correct NATS_SERVERS, or open the port for this machine')
      }
    }),
  )
}

/** Pure. `info` is what the server sent: https://docs.nats.io/reference/reference-protocols/nats-protocol#info */
function judgeNats(subject: string, info: JsonObject, config: NatsConfig): Finding {
  const hasCredentials = config.username !== null || config.token !== null || config.creds !== null
  const name = `${textOf(info['server_name'])}, version ${textOf(info['version'])}`
  if (info['auth_required'] === true && !hasCredentials) {
    return problem(
      subject,
      'requires credentials, and none are set',
      'set NATS_CREDS, NATS_TOKEN, or NATS_USERNAME and NATS_PASSWORD',
    )
  }
  if (config.mode === 'jetstream' && info['jetstream'] !== true) {
    return warning(
      subject,
      'has no JetStream: nothing is followed by it',
      'switch JetStream on, or accept with NATS_MODE=core that events are lost while Rigel is away',
    )
  }
  return ok(subject, `answers: ${name}; subjects and credentials were not tried`)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : 'unknown'
}

async function readInfo(server: NatsServer): Promise<JsonObject> {
  const line =
    server.scheme === 'ws' || server.scheme === 'wss' ? await readByWebSocket(server) : await readByTcp(server)
  const info = parseJson(/^INFO (\{.*\})/s.exec(line)?.[1] ?? '')
  if (!isObject(info)) throw new Error('is not a NATS server: it sent no INFO')
  return info
}

/** TLS begins after INFO, so the first line is readable on either port. */
function readByTcp({ host, port }: NatsServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connectPlain(port, host)
    let text = ''
    const end = (act: () => void): void => {
      socket.destroy()
      act()
    }
    socket.setTimeout(TIMEOUT_MS, () => end(() => reject(new Error('no answer'))))
    socket.once('error', (error) => end(() => reject(error)))
    socket.once('end', () => end(() => reject(new Error('closed without an answer'))))
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\r\n') || text.length > MAX_INFO_CHARS) end(() => resolve(text))
    })
  })
}

function readByWebSocket({ host, port, scheme }: NatsServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${scheme}://${host}:${port}/`)
    socket.binaryType = 'arraybuffer'
    const timer = setTimeout(() => reject(new Error('no answer')), TIMEOUT_MS)
    socket.addEventListener('error', () => reject(new Error('no WebSocket connection')))
    socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
      clearTimeout(timer)
      resolve(typeof data === 'string' ? data : new TextDecoder().decode(data))
      socket.close()
    })
  })
}

export async function checkKinesis(config: KinesisConfig): Promise<readonly Finding[]> {
  const call = createKinesisCall(config, config.region, fetch)
  return Promise.all(
    config.topics.map(async (topic) => {
      const { name } = sourceOf(topic)
      const subject = `stream ${name}`
      try {
        const shards = await listShards(call, name)
        if (shards !== undefined) return ok(subject, `${shards.length} shards`)
        return problem(
          subject,
          'does not exist',
          `create it in ${config.region}, or correct KINESIS_STREAM and KINESIS_AWS_REGION`,
        )
      } catch (error) {
        const todo =
          'correct the credentials and their policy: kinesis:ListShards, GetShardIterator, GetRecords (docs/sources.md)'
        return problem(subject, messageOf(error), todo)
      }
    }),
  )
}
