// An expected failure is a value, a bug is a throw: every function that can fail for a reason its caller must handle
// returns a Result. Used everywhere; knows nothing of what fails.

export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: E }

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

export function fail<E>(reason: E): { readonly ok: false; readonly reason: E } {
  return { ok: false, reason }
}
