// A shard's interest in the events of a user who lives on another shard: who watches others asks for it. It travels to
// the followers as a type among types; the NUL in front cannot stand in an event's type.
const PREFIX = '\u0000user:'

export function watchTopic(user: string): string {
  return PREFIX + user
}

/** Undefined for the type of an event. */
export function userOfWatchTopic(type: string): string | undefined {
  return type.startsWith(PREFIX) ? type.slice(PREFIX.length) : undefined
}
