import { DurableObject } from 'cloudflare:workers'
export class EmbeddedBroker extends DurableObject<Env> {}
