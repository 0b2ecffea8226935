/** Of the broker's open listener; the one that asks who is there is on the next. */
export const KAFKA_PORT = 29_092
