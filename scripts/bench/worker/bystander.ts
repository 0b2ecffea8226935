// Answers the attacker of ../attacks with the least that keeps its client going: no Durable Object, no storage, no parsing.
const encoder = new TextEncoder()

/** About the first page of a presence state. */
const PAGE = JSON.stringify(['1', null, 'topic', 'presence_state', { member: 'x'.repeat(75_000) }])

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.headers.get('upgrade') === 'websocket') return acceptSocket(request)
    if (new URL(request.url).pathname.endsWith('/sse')) return openStream()
    await request.text()
    return Response.json({ token: 'none', connection_token: 'none' })
  },
}

function acceptSocket(request: Request): Response {
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  server.addEventListener('message', ({ data }) => {
    server.send(String(data).includes('phx_join') ? PAGE : '{"type":"subscribed"}')
  })
  server.addEventListener('close', () => server.close())
  const protocol = request.headers.get('sec-websocket-protocol')?.split(',')[0]
  const headers = protocol === undefined ? undefined : { 'sec-websocket-protocol': protocol }
  return new Response(null, { status: 101, webSocket: client, headers })
}

function openStream(): Response {
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode('event: rig.connection.create\ndata: {}\n\n')),
    // A body that waits for nothing counts as hung.
    pull: () => scheduler.wait(60_000),
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}
