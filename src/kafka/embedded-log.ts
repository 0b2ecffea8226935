import { DurableObject } from 'cloudflare:workers'
export class EmbeddedLog extends DurableObject<Env> {}
