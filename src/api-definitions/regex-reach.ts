// Decides whether a `path_regex` can match any path: one without a slash at its start, or with a `?` in it, is a mistake.
// Decided exactly, by walking RE2's compiled program. Called for each expression of a definition, once.
import type { RE2JS } from 're2js'

/** The part of an instruction of RE2 that is read here; re2js declares it as `any`. */
interface Instruction {
  readonly op: number
  readonly out: number
  readonly arg: number
  matchRune(rune: number): boolean
}

interface Program {
  readonly start: number
  getInst(counter: number): Instruction
}

/** re2js's Inst.js. */
const OP = {
  ALT: 1,
  ALT_MATCH: 2,
  CAPTURE: 3,
  EMPTY_WIDTH: 4,
  MATCH: 6,
  NOP: 7,
  RUNE: 8,
  RUNE1: 9,
  ANY: 10,
  ANY_BUT_LINE: 11,
}
/** re2js's Utils.js: `^` and `$`, of a line and of the text. */
const BEGIN = 1 | 4
const END = 2 | 8

/** The position in the input: before the first character, after it, or at the end. */
type InputPlace = 'start' | 'inside' | 'end'

const SLASH = 0x2f
/** The characters of canonical paths. */
const PATH_CHARS = Array.from({ length: 0x7f - 0x21 }, (_, index) => index + 0x21).filter(
  (code) => !['?', '#', '\\'].includes(String.fromCodePoint(code)),
)

export function canMatchPath(expression: RE2JS): boolean {
  const program = expression.re2().prog as Program
  const seen = new Set<string>()
  const open: (readonly [counter: number, place: InputPlace])[] = [[program.start, 'start']]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [counter, place] = next
    const key = `${counter} ${place}`
    if (seen.has(key)) continue
    seen.add(key)
    const instruction = program.getInst(counter)
    if (instruction.op === OP.MATCH && place !== 'start') return true
    open.push(...followersOf(instruction, place))
  }
  return false
}

/** Returns why an expression cannot match, as far as its text shows it. */
export function explainUnreachable(inner: string): string {
  const [letters] = /[\u0080-\uffff]+/.exec(inner) ?? []
  if (letters !== undefined) return `paths are percent-encoded: write ${encodeURIComponent(letters.toWellFormed())}`
  if (inner.includes(' ')) return 'paths are percent-encoded: write %20 for a space'
  if (/\\[?#]|#/.test(inner)) return 'a path has no query and no fragment'
  if (!inner.includes('/')) return 'a path begins with "/"'
  return 'a path begins with "/", and has no anchors inside'
}

function followersOf(instruction: Instruction, place: InputPlace): readonly (readonly [number, InputPlace])[] {
  const { arg, op, out } = instruction
  switch (op) {
    case OP.ALT:
    case OP.ALT_MATCH:
      return [
        [out, place],
        [arg, place],
      ]
    case OP.CAPTURE:
    case OP.NOP:
      return [[out, place]]
    case OP.EMPTY_WIDTH:
      if ((arg & BEGIN) !== 0 && place !== 'start') return []
      return (arg & END) === 0 ? [[out, place]] : place === 'start' ? [] : [[out, 'end']]
    case OP.ANY:
    case OP.ANY_BUT_LINE:
      return place === 'end' ? [] : [[out, 'inside']]
    case OP.RUNE:
    case OP.RUNE1: {
      const possible = place === 'end' ? [] : place === 'start' ? [SLASH] : PATH_CHARS
      return possible.some((code) => instruction.matchRune(code)) ? [[out, 'inside']] : []
    }
    default:
      return []
  }
}
