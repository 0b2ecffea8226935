// `npm run check:docs`: checks that every relative link in README.md, the other pages of the root and docs/ names a file that
// exists, and every anchor a heading of that file; and that every fenced block is run by a test, or says why not
// (docs/testing.md, "Snippets"); and that the numbers of files that docs/architecture.md states for its walks are those of its
// tables. Prints each problem as `page: problem` and exits 1 if there is one.
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { fencesOf, type Fence } from './fences.ts'

const pages = globSync(['*.md', 'docs/**/*.md', 'test/conformance/README.md']).toSorted()
const tests = globSync('test/**/*.test.ts').map((path) => readFileSync(path, 'utf8'))
/** `docs/page.md#name` of every snippet that a test runs. */
const run = new Set(tests.flatMap((code) => [...code.matchAll(/'([\w/.-]+\.md#[\w-]+)'/g)].map(([, id = '']) => id)))
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
}

const problems = pages.flatMap((page) => [
  ...linksOf(page)
    .filter((link) => !isThere(page, link))
    .map((link) => `${page}: broken link ${link}`),
  ...fencesOf(readFileSync(page, 'utf8')).flatMap((fence) => {
    const problem = fenceProblem(page, fence)
    return problem === undefined ? [] : [`${page}:${fence.line}: ${problem}`]
  }),
])
problems.push(...walkProblems('docs/architecture.md'))

for (const problem of problems) console.error(problem)
console.log(`docs: ${pages.length} pages, ${problems.length} problems`)
process.exitCode = problems.length > 0 ? 1 : 0

/** What is wrong with a fence, or undefined. */
function fenceProblem(page: string, { code, language, mark }: Fence): string | undefined {
  const [, kind = mark, value = ''] = /^([\w-]+)(?:=|: )(.+)$/.exec(mark) ?? []
  // A diagram. test/config/docs.pure.test.ts reads every `ini`, test/http/events/docs.test.ts sends every `http`.
  if (language === '' || language === 'ini' || language === 'http') return undefined
  if (kind === 'run') return run.has(`${page}#${value}`) ? undefined : `no test runs '${page}#${value}'`
  if (kind === 'quote') return isQuoted(code, value) ? undefined : `is not in ${value}`
  if (kind === 'not-run') return undefined
  if (kind === 'commands') return unknownCommand(code)
  return `${language}: the line above must be <!-- run=NAME -->, <!-- commands -->, <!-- quote=FILE --> or <!-- not-run: REASON -->`
}

function isQuoted(code: string, path: string): boolean {
  const words = (text: string): string => text.replaceAll(/\s+/g, ' ')
  return existsSync(path) && words(readFileSync(path, 'utf8')).includes(words(code))
}

/** Checks that the npm script, the program of npx or the file of a command exists. Starts nothing. */
function unknownCommand(code: string): string | undefined {
  for (const line of code.split('\n').map((text) => text.replace(/#.*/, '').trim())) {
    const [program = '', first = '', second = '', ...rest] = line.split(/\s+/)
    const script = first === 'run' ? second : first
    const isKnown =
      line === '' ||
      (program === 'npm' && (script === 'ci' || Object.hasOwn(scripts, script))) ||
      (program === 'npx' && existsSync(`node_modules/.bin/${first}`)) ||
      /^[A-Z_]+=/.test(line)
    if (!isKnown) return `there is no ${line}`
    const missing = [second, ...rest].find((argument) => /^\w.*\/.*\.ts$/.test(argument) && !existsSync(argument))
    if (missing !== undefined) return `there is no ${missing}`
  }
  return undefined
}

/** A section that states `N files` has a table: N is how many source files its last column links; `M with` all columns. */
function walkProblems(page: string): string[] {
  const sourcesOf = (text: string) => new Set(text.match(/\(\.\.\/src\/[\w./-]+\.ts\)/g)).size
  return readFileSync(page, 'utf8')
    .split(/^## /m)
    .flatMap((section) => {
      const stated = /^(\d+) files, (\d+) with/m.exec(section)
      if (stated === null) return []
      const rows = section.split('\n').filter((line) => line.startsWith('|'))
      const steps = sourcesOf(rows.map((row) => row.split('|').at(-2) ?? '').join(''))
      const all = sourcesOf(rows.join(''))
      const isTrue = stated[1] === String(steps) && stated[2] === String(all)
      return isTrue ? [] : [`${page}: ${section.split('\n')[0]}: ${steps} files, ${all} with what they use`]
    })
}

function linksOf(page: string): string[] {
  const text = readFileSync(page, 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => (/^[a-z]+:/.test(link) ? [] : link))
}

function isThere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : join(dirname(page), path)
  if (!existsSync(target)) return false
  return anchor === undefined || statSync(target).isDirectory() || anchorsOf(target).includes(anchor)
}

/** Returns the anchors that GitHub gives a page's headings: lower case, without punctuation, hyphens for spaces. */
function anchorsOf(page: string): string[] {
  const headings = readFileSync(page, 'utf8').match(/^#+ .*$/gm) ?? []
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
