// What an event's text and type can do to the frames of a stream: nothing. The frames are read as a client reads them.
import { expect, it } from 'vitest'
import { ndjson } from '../../../../src/objects/shard/transports/ndjson.ts'
import { sse, sseUnnamed } from '../../../../src/objects/shard/transports/sse.ts'

/** Valid JSON with every line break of every parser, between tokens and, escaped, within a string. */
const JSON_TEXT =
  '{\r\n"specversion":"1.0",\n"id":"1",\r"source":"/s","type":"order",\n\n"x":1,\r\n\r\n' +
  '"data":"a\\nid: 9\\r\\rdata: forged\u2028b\u2029c\u0085d"\n}\r'
const TYPE = 'order\r\ndata: forged\nid: 9\r\revent: rig.session_killed'

const events = [1, 2].map((seq) => ({ seq, type: TYPE, json: JSON_TEXT })) as unknown as Parameters<
  typeof sse.events
>[0]
const textOf = (encoding: typeof sse) => new TextDecoder().decode(encoding.events(events, (seq) => `0.e-${seq}`))

/** The fields of the frames, by WHATWG HTML 9.2.6: lines end with CR LF, LF or CR. */
function framesOf(text: string) {
  return text
    .split(/(?:\r\n|\r|\n){2}/)
    .filter((frame) => frame !== '')
    .map((frame) => {
      const fields = frame.split(/\r\n|\r|\n/).map((line) => /^([^:]*): ?(.*)$/s.exec(line)?.slice(1) ?? [line])
      const valuesOf = (name: string) => fields.filter(([field]) => field === name).map(([, value]) => value)
      const names = new Set(fields.map(([field]) => field))
      return { names: [...names], data: valuesOf('data').join('\n'), ids: valuesOf('id'), types: valuesOf('event') }
    })
}

it.each([
  [sse, ['event', 'data', 'id']],
  [sseUnnamed, ['data', 'id']],
] as const)(
  'a frame has one id, one type and the data of its event, whatever line breaks are in it: %o',
  (encoding, names) => {
    const frames = framesOf(textOf(encoding))
    expect(frames.map(({ ids }) => ids)).toEqual([['0.e-1'], ['0.e-2']])
    for (const frame of frames) {
      expect(frame.names).toEqual(names)
      expect(JSON.parse(frame.data)).toEqual(JSON.parse(JSON_TEXT))
      expect(frame.types.length).toBe(names.length - 2)
      expect(frame.types.every((type) => !type?.startsWith('rig.'))).toBe(true)
    }
  },
)

it('a line of NDJSON is one event, whatever line breaks are in it', () => {
  const lines = textOf(ndjson)
    .trimEnd()
    .split(/\r\n|\r|\n/)
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
    [1, 2].map((seq) => ({ id: `0.e-${seq}`, event: JSON.parse(JSON_TEXT) as unknown })),
  )
})
