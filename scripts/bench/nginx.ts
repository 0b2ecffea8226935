// nginx, from Debian's package, with one worker: as the service that is asked, and as the reverse proxy that Rigel is
// measured beside. Both keep their connections.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './rig.ts'

export interface Nginx {
  readonly origin: string
  stop(): void
}

/** A kilobyte of JSON, at any path. */
export function startService(): Promise<Nginx> {
  const body = JSON.stringify({ text: 'x'.repeat(1_000) })
  return startNginx(`location / { default_type application/json; return 200 '${body}'; }`)
}

export function startReverseProxy(service: string): Promise<Nginx> {
  const { host } = new URL(service)
  return startNginx(
    `location / {
      proxy_pass http://service;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
    }`,
    `upstream service { server ${host}; keepalive 256; keepalive_requests 1000000000; }`,
  )
}

async function startNginx(location: string, upstream = ''): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'rigel-bench-nginx-'))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  ${temporary.join('\n  ')}
  ${upstream}
  server { listen 127.0.0.1:${port}; ${location} }
}
`,
  )
  const nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const failed = new Promise<never>((_resolve, reject) => {
    nginx.once('error', () => reject(new Error('there is no nginx: apt-get install nginx-light wrk')))
  })
  // Its folder goes when it has: it looks for its pid there.
  nginx.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const stop = (): void => void nginx.kill('SIGTERM')
  process.once('exit', stop)
  const origin = `http://127.0.0.1:${port}`
  await Promise.race([untilAnswers(origin), failed])
  return { origin, stop }
}

/** Any answer will do: the service that is proxied need not be there. */
async function untilAnswers(origin: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const answer = await fetch(origin).catch(() => undefined)
    if (answer !== undefined) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('nginx did not answer within 5 seconds')
}
