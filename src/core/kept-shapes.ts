// Keeps alive the shapes (V8's hidden classes) of objects that live for a moment. V8 drops a shape when a garbage collection finds no
// object of it, and discards all optimized code that knows it: while a follower reads a backlog, that is several times a second, and most
// of its code is compiled again each time. One object that stays is enough. No runtime.

/** Written only. In an array, so that an optimizer cannot tell that nothing reads it. */
const kept: object[] = []

/** Keeps the shape of objects like this one as long as the isolate. Call it once for a class, in its module. */
export function keepShape(example: object): void {
  kept.push(example)
}
