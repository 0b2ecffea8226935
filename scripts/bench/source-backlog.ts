// A backlog of events of one size, followed into shards: of every source. For nats-source.ts and kinesis-source.ts.
import { millisecondsOf } from './figure.ts'
import { NO_KAFKA, startFollowing, untilFollowed } from './kafka-rig.ts'

export const RECORD_BYTES = 1_000

/** Records a second into shards. */
export async function followAll(records: number, variables: Readonly<Record<string, string>>): Promise<number> {
  const rig = await startFollowing(NO_KAFKA, 'earliest', variables)
  const ms = await millisecondsOf(() => untilFollowed(rig, records))
  rig.stop()
  return (records / ms) * 1_000
}

/** An event as JSON of so many bytes. */
export function backlogEvent(bytes: number): string {
  const event = {
    specversion: '1.0',
    id: '1',
    source: '/bench',
    type: 'backlog',
    data: { recipients: ['user-1'], text: '' },
  }
  event.data.text = 'x'.repeat(bytes - JSON.stringify(event).length)
  return JSON.stringify(event)
}
