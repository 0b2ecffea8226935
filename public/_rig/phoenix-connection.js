// A connection of the page by Phoenix Channels, with Phoenix's own library, unmodified (scripts/build-client.ts copies it): one
// channel for what is addressed to the user, and one per subscription. The library reconnects by itself; each channel joins
// again from its own position. Called by connections.js.
import { Socket } from './phoenix.js'
import { mayComeBack } from './reconnect.js'

/** @typedef {import('./connections.js').Wishes} Wishes */
/** @typedef {import('./connections.js').Tell} Tell */

export function connectPhoenix(/** @type {Wishes} */ wishes, /** @type {Tell} */ tell) {
  const socket = new Socket('/_rig/v1/connection/phoenix', wishes.token === null ? {} : { authToken: wishes.token })
  const channels = channelsOf(wishes)
  const joined = new Set()
  let isGap = false
  socket.onClose((/** @type {{code?: number, reason?: string}} */ { code = 0, reason = '' }) => {
    joined.clear()
    const text = `closed with ${code}${reason ? `: ${reason}` : ''}`
    if (mayComeBack(code)) return tell.waiting(`${text}, coming back`)
    socket.disconnect()
    tell.refused(text)
  })
  for (const { topic, oneOf } of channels) {
    join(socket, topic, oneOf, wishes, {
      event: tell.event,
      position: tell.position,
      joined: (recovered) => {
        joined.add(topic)
        isGap ||= recovered === false
        const all = `joined ${channels.map((channel) => channel.topic).join(', ')}`
        if (joined.size === channels.length) tell.open(isGap ? `${all}; some events were missed` : all)
      },
      refused: (reason) => tell.refused(`${topic} refused: ${reason}`),
    })
  }
  if (channels.length === 0) tell.refused('without a user or a subscription there is no channel to join')
  else {
    tell.waiting('connecting')
    socket.connect()
  }
  return () => socket.disconnect()
}

/** @returns {{topic: string, oneOf?: unknown}[]} */
function channelsOf(/** @type {Wishes} */ { subscriptions, user }) {
  const own = user === '' ? [] : [{ topic: `user:${user}` }]
  return [...own, ...subscriptions.map(({ eventType, oneOf }) => ({ topic: `events:${eventType}`, oneOf }))]
}

/**
 * The page has one position, and a channel that is replayed may be behind another. So the page keeps where the connection
 * began, as for plain frames, and drops what it has shown; here each channel has its own.
 *
 * @param {Socket} socket
 * @param {string} topic
 * @param {unknown} oneOf
 * @param {Wishes} wishes
 * @param {Pick<Tell, 'event' | 'position' | 'refused'> & {joined: (recovered?: boolean) => void}} tell
 */
function join(socket, topic, oneOf, wishes, tell) {
  let last = wishes.position()
  const channel = socket.channel(topic, () => ({ ...(last === '' ? {} : { last_event_id: last }), oneOf }))
  // The types know of one argument; the library gives two.
  const onMessage = (/** @type {any} */ event, /** @type {string} */ position) => {
    last = position
    tell.event(event, null)
  }
  channel.on('message', /** @type {(event: unknown) => void} */ (onMessage))
  channel.on('position', ({ last_event_id: position }) => (last = position))
  channel
    .join()
    .receive('ok', ({ last_event_id: position, recovered }) => {
      last = position
      if (wishes.position() === '') tell.position(position)
      tell.joined(recovered)
    })
    .receive('error', ({ reason }) => tell.refused(reason))
}
