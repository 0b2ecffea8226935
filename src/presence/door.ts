// The door to the presence topics: the one place that makes their stubs.
export function presenceStub(env: Env, topic: string) {
  return env.PRESENCE_TOPIC.getByName(topic)
}
