/** Makes the whole site in memory; `bun run docs` writes it. Needs no network. */
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { type EntryPoint, readApi } from './api.ts'
import { apiPages, groupsOf } from './api-pages.ts'
import { guidePages } from './guide-pages.ts'
import { frame } from './layout.ts'
import { brokenLinks } from './links.ts'
import { anchorOf } from './markdown.ts'
import { searchDocuments } from './search-documents.ts'
import { tryPage } from './try/try-page.ts'

/** Path on the site → content. Throws E_FORMAT with every link that leads nowhere. */
export function buildSite(
  root: string,
  api: readonly EntryPoint[] = readApi(root),
): Map<string, string | Uint8Array<ArrayBuffer>> {
  const groups = groupsOf(api)
  const guides = guidePages(root)
  const training = tryPage(root)
  const pages = [guides[0], training.page, ...guides.slice(1), ...apiPages(groups)]
  const html = new Map(pages.map((page) => [page.path, frame(page, pages)]))
  const files = new Map<string, string | Uint8Array<ArrayBuffer>>([
    ['style.css', readFileSync(join(import.meta.dirname, 'style.css'), 'utf8')],
    ['site.js', readFileSync(join(import.meta.dirname, 'site.js'), 'utf8')],
    ['minisearch.js', readFileSync(minisearch(), 'utf8')],
    [
      'search-index.js',
      `globalThis.TRITUNE_SEARCH = ${JSON.stringify(searchDocuments(guides, groups, anchorOf))}\n`,
    ],
    ...linkedSources(root, html),
    ...training.files,
  ])
  const broken = brokenLinks(html, new Set(files.keys()))
  if (broken.length > 0) {
    throw new TrituneError('E_FORMAT', `links that lead nowhere:\n  ${broken.join('\n  ')}`)
  }
  return new Map([...html, ...files])
}

/** The build for a script tag, which also works without a server. */
function minisearch(): string {
  const entry = createRequire(import.meta.url).resolve('minisearch')
  return join(dirname(dirname(entry)), 'umd/index.js')
}

/** The files of the repository that pages link to or show, and lists for folders. */
function linkedSources(
  root: string,
  html: ReadonlyMap<string, string>,
): Map<string, string | Uint8Array<ArrayBuffer>> {
  const found = new Map<string, string | Uint8Array<ArrayBuffer>>()
  for (const text of html.values()) {
    for (const [, file] of text.matchAll(/ (?:href|src)="(?:\.\.\/)*source\/([^"#]+)/g)) {
      const path = join(root, file)
      found.set(
        `source/${file}`,
        statSync(path).isFile() ? contentOf(path) : `A folder of the repository: ${file}\n`,
      )
    }
  }
  return found
}

/** A picture is no text. */
function contentOf(path: string): string | Uint8Array<ArrayBuffer> {
  return /\.(png|webp)$/.test(path) ? new Uint8Array(readFileSync(path)) : readFileSync(path, 'utf8')
}
