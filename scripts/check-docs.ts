// `npm run check:docs`: checks that every relative link in README.md, the other pages of the root and docs/ names a file that
// exists, and every anchor a heading of that file. Prints each broken link as `page: link` and exits 1 if there is one.
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'

const pages = globSync(['*.md', 'docs/**/*.md', 'test/conformance/README.md']).toSorted()
const broken = pages.flatMap((page) =>
  linksOf(page)
    .filter((link) => !isThere(page, link))
    .map((link) => `${page}: ${link}`),
)

for (const link of broken) console.error(link)
console.log(`docs: ${pages.length} pages, ${broken.length} broken links`)
process.exitCode = broken.length > 0 ? 1 : 0

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
