// `npm run check:names`: a type has one name, and a name is one type: fails if a type, interface or class of src/ is declared in
// more than one file, and if an export of core, rpc, kafka or config has no doc comment. Reads the text, as oxfmt writes it.
import { globSync, readFileSync } from 'node:fs'

/** `Variables` is local to each file of config/, and the client is a package of its own. */
const LOCAL = new Set(['Variables'])
/** Modules whose exports all have a doc comment. Add one when it has. */
const DOCUMENTED = ['src/core', 'src/rpc', 'src/kafka', 'src/config']
const TYPE = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|type|class|enum) (\w+)/gm
const EXPORT = /^export (?:declare |abstract |async )*(?:function\*?|interface|type|class|const|let|enum) (\w+)/

const files = globSync('src/**/*.ts').toSorted()
const problems = [...duplicates(files), ...files.filter(isDocumented).flatMap(undocumented)]
for (const problem of problems) console.error(problem)
console.log(`names: ${files.length} files, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1

function duplicates(paths: readonly string[]): readonly string[] {
  const places = new Map<string, string[]>()
  for (const path of paths.filter((file) => !file.startsWith('src/client/') && !file.endsWith('.d.ts'))) {
    for (const [, name = ''] of readFileSync(path, 'utf8').matchAll(TYPE)) {
      if (!LOCAL.has(name)) places.set(name, [...(places.get(name) ?? []), path])
    }
  }
  return [...places].flatMap(([name, found]) =>
    new Set(found).size > 1 ? [`${name} is declared in ${[...new Set(found)].join(', ')}`] : [],
  )
}

function isDocumented(path: string): boolean {
  return DOCUMENTED.some((folder) => path.startsWith(`${folder}/`)) && !path.endsWith('.d.ts')
}

function undocumented(path: string): readonly string[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.flatMap((line, index) => {
    const name = EXPORT.exec(line)?.[1]
    const isTold = lines[index - 1]?.endsWith('*/') === true || isOverload(lines, index, name)
    return name === undefined || isTold ? [] : [`${path}:${index + 1}: ${name} has no doc comment`]
  })
}

/** The comment is before the first overload, or before the first of a type and a value with the same name. */
function isOverload(lines: readonly string[], index: number, name: string | undefined): boolean {
  return lines.slice(0, index).some((line) => EXPORT.exec(line)?.[1] === name)
}
