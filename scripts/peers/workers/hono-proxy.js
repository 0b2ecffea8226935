// Hono's own proxy helper, with as many routes as Rigel is given. Bundled by esbuild against Rigel's node_modules.
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

const app = new Hono()
app.get('/health', (c) => c.text('ok'))
for (let n = 0; n < 10; n += 1)
  for (let m = 0; m < 10; m += 1)
    app.get(`/service-${n}/resource-${m}/:id`, (c) =>
      proxy(`${c.env.PASS_TO}${new URL(c.req.url).pathname}`, {
        // oxlint-disable-next-line typescript/no-misused-spread -- as Hono's documentation of proxy() has it
        ...c.req,
        headers: { ...c.req.header(), 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': c.req.header('host') },
      }),
    )

export default app
