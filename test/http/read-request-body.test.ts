// Bodies of requests: what is declared and what comes, up to the limit.
import { describe, expect, it } from 'vitest'
import { readRequestBody } from '../../src/http/request/read-request-body.ts'

const LIMIT = 10

function post(body: string, declared?: string): Request {
  const headers = declared === undefined ? undefined : { 'content-length': declared }
  return new Request('https://rigel.test/', { method: 'POST', body, ...(headers && { headers }) })
}

async function textOf(request: Request): Promise<string> {
  const body = await readRequestBody(request, LIMIT)
  return body.ok ? new TextDecoder().decode(body.value) : body.reason.kind
}

describe('readRequestBody', () => {
  it.each([undefined, '5'])('reads a body within the limit, declared as %s', async (declared) => {
    expect(await textOf(post('hello', declared))).toBe('hello')
  })

  it.each([undefined, '11', '3', 'many'])('refuses a body above the limit, declared as %s', async (declared) => {
    expect(await textOf(post('hello world', declared))).toBe('body_too_large')
  })
})
