// The part of the internal API for the console: figures, topics, routes and the configuration. Mounted at /_rig/api/v1.
import { Hono } from 'hono'
import { effectiveVariables, warningsOf } from '../../../config/parse-config.ts'
import type { HttpEnv } from '../../worker-context.ts'
import { getFigures, streamFigures } from './figures.ts'
import { listRoutes, testRoute } from './routes.ts'
import { listRecords, listTopics } from './topics.ts'

export const consoleApi = new Hono<HttpEnv>()
  .get('/role', (c) => c.json({ role: c.var.role }))
  .get('/figures', getFigures)
  .get('/figures/stream', streamFigures)
  .get('/topics', listTopics)
  .get('/topics/:topic/records', listRecords)
  .get('/routes', listRoutes)
  .post('/routes/test', testRoute)
  .get('/configuration', (c) => {
    const { devMode } = c.var.config
    return c.json({ variables: effectiveVariables(c.env), warnings: warningsOf(c.env), devMode })
  })
