// A connected socket of Node as the Kafka protocol of src/kafka uses one. For the doctor, and for tests that drive the protocol
// without workerd.
import type { Socket } from 'node:net'
import type { BrokerSocket } from '../src/kafka/protocol/socket-port.ts'

/** Reading keeps the process alive (`ref`), so that a caller may `unref` an idle socket. */
export function toBrokerSocket(socket: Socket): BrokerSocket {
  let buffered = Buffer.alloc(0)
  let isOver = false
  let wake = (): void => undefined
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    wake()
  })
  for (const end of ['end', 'close', 'error']) {
    socket.on(end, () => {
      isOver = true
      wake()
    })
  }
  return {
    async readExactly(count) {
      socket.ref()
      while (buffered.length < count) {
        if (isOver) return undefined
        await new Promise<void>((resolve) => (wake = resolve))
      }
      const read = new Uint8Array(buffered.subarray(0, count))
      buffered = buffered.subarray(count)
      return read
    },
    write: async (bytes) => {
      if (!socket.writable) throw new Error('closed')
      socket.write(bytes)
    },
    close: () => void socket.destroy(),
  }
}
