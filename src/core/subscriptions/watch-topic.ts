// A shard's interest in the events of a user of another shard, whom one of its connections watches. Followers get it as
// one of the shard's event types. It begins with NUL, which no event type contains.
const PREFIX = '\u0000user:'

/** Returns the text that represents a watched user among event types: NUL, `user:`, and the user id. */
export function watchTopic(user: string): string {
  return PREFIX + user
}

/** Returns the user id of a text from `watchTopic`, or undefined for an event type. */
export function userOfWatchTopic(type: string): string | undefined {
  return type.startsWith(PREFIX) ? type.slice(PREFIX.length) : undefined
}
