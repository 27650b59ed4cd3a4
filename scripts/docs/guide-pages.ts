/** The pages that are written by hand: README.md, SECURITY.md, docs/ and the README of each plugin. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import type { Page } from './layout.ts'
import { renderMarkdown } from './markdown.ts'

/** Files in the order of the navigation, by section. */
export function guideFiles(root: string): [section: string, files: string[]][] {
  const pages = (folder: string): string[] =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => `${folder}/${file}`)
  const guides = existsSync(join(root, 'docs/guides')) ? pages('docs/guides') : []
  const first = (file: string): number =>
    file.endsWith('first-fine-tune.md') ? 0 : file.includes('moving-from') ? 2 : 1
  return [
    ['Start', ['README.md']],
    ['Guides', guides.toSorted((a, b) => first(a) - first(b) || a.localeCompare(b))],
    [
      'In depth',
      [
        ...pages('docs').toSorted(),
        ...(existsSync(join(root, 'docs/adapters')) ? pages('docs/adapters').toSorted() : []),
        ...['SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].filter((file) => existsSync(join(root, file))),
      ],
    ],
    [
      'Plugins',
      readdirSync(join(root, 'plugins'))
        .map((plugin) => `plugins/${plugin}/README.md`)
        .filter((file) => existsSync(join(root, file)))
        .toSorted(),
    ],
  ]
}

/** Where a file of the repository is on the site. */
export function placeOnSite(file: string): string {
  if (file === 'README.md') return 'index.html'
  return `guide/${file
    .replace(/^docs\//, '')
    .replace(/\.md$/, '')
    .replaceAll('/', '-')
    .toLowerCase()}.html`
}

export interface Guide extends Page {
  readonly file: string
  readonly text: string
}

export function guidePages(root: string): Guide[] {
  const listed = guideFiles(root)
  const known = new Set(listed.flatMap(([, files]) => files))
  return listed.flatMap(([section, files]) =>
    files.map((file) => {
      const text = readFileSync(join(root, file), 'utf8')
      const path = placeOnSite(file)
      const { html, headings } = renderMarkdown(text, (href) => linkOnSite(root, file, href, known))
      const title = headings.find(({ depth }) => depth === 1)?.text ?? file
      return {
        file,
        text,
        path,
        title: file === 'README.md' ? 'tritune' : title,
        section,
        html,
        toc: headings.filter(({ depth }) => depth === 2),
      }
    }),
  )
}

/** Pages become pages of the site; other files are in `source/` of it when they exist, and broken links when not. */
function linkOnSite(root: string, from: string, href: string, known: ReadonlySet<string>): string {
  if (/^[a-z]+:/.test(href) || href.startsWith('#')) return href
  const [path, anchor] = href.split('#')
  const file = normalize(join(dirname(from), path)).replace(/\/$/, '')
  const here = dirname(placeOnSite(from))
  const at = anchor === undefined ? '' : `#${anchor}`
  const page = known.has(file) ? file : known.has(`${file}/README.md`) ? `${file}/README.md` : undefined
  if (page !== undefined) return `${relative(here, placeOnSite(page))}${at}`
  return existsSync(join(root, file)) ? `${relative(here, `source/${file}`)}${at}` : href
}
