// The examples of docs/publishing.md: each request gets the status that is written beside it.
import { expect, it } from 'vitest'
import { fetchRigel } from '../../support/gateway-client.ts'
import publishing from '../../../docs/publishing.md?raw'

interface Example {
  readonly status: number
  readonly path: string
  readonly init: RequestInit
}

/** ```http <status>, then the request line, headers, an empty line and the body. */
function examplesOf(markdown: string): readonly Example[] {
  return [...markdown.matchAll(/^```http (\d+)\n([\s\S]*?)\n```$/gm)].map(([, status, text = '']) => {
    const [head = '', ...body] = text.split('\n\n')
    const [requestLine = '', ...headers] = head.split('\n')
    const [method = '', path = ''] = requestLine.split(' ')
    const entries = headers.map((line) => line.split(': ') as [string, string])
    return { status: Number(status), path, init: { method, headers: entries, body: body.join('\n\n') } }
  })
}

const examples = examplesOf(publishing)

it('there are examples of both kinds of answers', () => {
  expect(new Set(examples.map(({ status }) => status))).toEqual(new Set([202, 400]))
})

it.each(examples)('$init.method $path is $status: $init.body', async ({ init, path, status }) => {
  const response = await fetchRigel(path, init)
  expect([response.status, await response.text()]).toEqual([status, expect.any(String)])
})
