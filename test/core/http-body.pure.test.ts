// Bodies that are read into memory: whole, up to a limit, and what they take meanwhile.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { readBody } from '../../src/core/http-body.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** The runtime reads into buffers of this size, however little comes. */
const BUFFER_BYTES = 4_096
const MIB = 1_048_576

/** A body of single bytes, each in a buffer of its own. `buffers`: those that are still in memory. */
function makeSingleBytes(count: number, atEnd: () => Promise<void> = () => Promise.resolve()) {
  const buffers: WeakRef<ArrayBuffer>[] = []
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (buffers.length === count) {
        await atEnd()
        return controller.close()
      }
      const buffer = new ArrayBuffer(BUFFER_BYTES)
      buffers.push(new WeakRef(buffer))
      controller.enqueue(new Uint8Array(buffer, 0, 1))
    },
  })
  return { stream, countLeft: () => buffers.filter((buffer) => buffer.deref() !== undefined).length }
}

it('a body that comes in single bytes does not keep the buffers in which they have come', async () => {
  const body = makeSingleBytes(10_000, async () => {
    const countAfterGc = () => {
      collectGarbage()
      return body.countLeft()
    }
    await expect.poll(countAfterGc, { timeout: 5_000 }).toBeLessThan(100)
  })
  const read = await readBody(new Response(body.stream), MIB)
  expect(read.ok && read.bytes.length).toBe(10_000)
})

it('a body is asked for by what it holds: the double of what has come, and not more than was declared or is allowed', async () => {
  const holdsOf = async (declared: number | undefined, limitBytes: number) => {
    const holds: number[] = []
    const late = new Promise<void>(() => undefined)
    const watch = { mayHold: (bytes: number) => holds.push(bytes) > 0, arrived: () => undefined, late }
    const headers = declared === undefined ? undefined : { 'content-length': String(declared) }
    await readBody(new Response(makeSingleBytes(10_000).stream, headers && { headers }), limitBytes, watch)
    return holds
  }
  expect(await holdsOf(undefined, MIB)).toEqual([4_096, 8_192, 16_384])
  expect(await holdsOf(10_000, MIB)).toEqual([4_096, 8_192, 10_000])
  expect(await holdsOf(5_000, MIB)).toEqual([4_096, 5_000, 10_000])
  expect(await holdsOf(undefined, 12_000)).toEqual([4_096, 8_192, 12_000])
})

it('a body of bytes is read in steps of a quarter of what is held, up to 64 KiB', async () => {
  const sent = Uint8Array.from({ length: MIB }, (_, at) => (at * 7) % 251)
  const steps: number[] = []
  let at = 0
  const stream = new ReadableStream({
    type: 'bytes',
    pull(controller: ReadableByteStreamController) {
      const { byobRequest } = controller
      const { buffer, byteLength, byteOffset } = byobRequest?.view ?? new Uint8Array(1)
      const part = sent.subarray(at, at + byteLength)
      if (part.byteLength === 0) controller.close()
      else {
        steps.push(part.byteLength)
        new Uint8Array(buffer, byteOffset, byteLength).set(part)
      }
      at += part.byteLength
      byobRequest?.respond(part.byteLength)
    },
  })
  const read = await readBody(new Response(stream), MIB)
  expect(read.ok && read.bytes).toEqual(sent)
  expect([steps[0], Math.max(...steps)]).toEqual([4_096, 65_536])
})
