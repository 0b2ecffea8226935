// An expected failure is a value, a bug is a throw: every function that can fail for a reason its caller must handle
// returns a Result. Used everywhere; knows nothing of what fails.

/** `value` if `ok`, otherwise `reason`: what failed, in a form that the caller can handle. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: E }

/** Returns a Result that succeeded. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

/** Returns a Result that failed, with the reason. */
export function fail<E>(reason: E): { readonly ok: false; readonly reason: E } {
  return { ok: false, reason }
}
