export async function handle(_request: Request, _env: Env, _context: ExecutionContext): Promise<Response> {
  return new Response('OK')
}
