/** Of the servers that test/sources/start.ts starts. */
export const NATS_PORT = 20_700
export const NATS_WEBSOCKET_PORT = 20_701
/** And the next one. */
export const KINESIS_PORT = 20_702
/** And the next two: one for each way to authenticate. */
export const NATS_LOGIN_PORT = 20_705
