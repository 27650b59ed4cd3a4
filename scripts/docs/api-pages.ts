/** The pages of the API reference: one for each entry point, those of core room by room. */
import type { EntryPoint, ExportedSymbol } from './api.ts'
import type { Page } from './layout.ts'
import { placeOnSite } from './guide-pages.ts'
import { escapeHtml, highlight, renderMarkdown } from './markdown.ts'

interface Group {
  readonly path: string
  readonly title: string
  readonly entry: EntryPoint
  readonly symbols: readonly ExportedSymbol[]
}

const ENTRY = { core: 'tritune/core' }

/** Where each export is described, by name; the first entry point that has it. */
export function placesOf(groups: readonly Group[]): Map<string, string> {
  const places = new Map<string, string>()
  for (const { path, symbols } of groups)
    for (const { name } of symbols) if (!places.has(name)) places.set(name, `${path}#${name}`)
  return places
}

export function groupsOf(api: readonly EntryPoint[]): Group[] {
  return api.flatMap((entry) => {
    const short = entry.name.replace(/^tritune\/(plugins\/)?/, '')
    if (entry.name !== ENTRY.core) {
      return [{ path: `api/${short}.html`, title: entry.name, entry, symbols: entry.symbols }]
    }
    const rooms = new Map<string, ExportedSymbol[]>()
    for (const symbol of entry.symbols) {
      const [, room] = /^core\/(\w+)\//.exec(symbol.file) ?? [undefined, 'errors and plugins']
      rooms.set(room, [...(rooms.get(room) ?? []), symbol])
    }
    return [...rooms]
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([room, symbols]) => ({
        path: `api/core-${room.replaceAll(' ', '-')}.html`,
        title: `tritune/core: ${room}`,
        entry,
        symbols,
      }))
  })
}

export function apiPages(groups: readonly Group[]): Page[] {
  const places = placesOf(groups)
  return groups.map(({ path, title, entry, symbols }) => ({
    path,
    title,
    section: 'Reference',
    toc: symbols.map(({ name }) => ({ id: name, text: name })),
    html: [
      `<h1>${escapeHtml(title)}</h1>`,
      markdown(introduction(entry)),
      `<pre tabindex="0"><code>${highlight(`import { … } from '${entry.name}'`, 'ts')}</code></pre>`,
      startWith(symbols),
      ...symbols.map((symbol) => symbolHtml(symbol, places)),
    ].join('\n'),
  }))
}

/** What the module says of itself; its README is a page of the site. */
function introduction({ name, doc }: EntryPoint): string {
  const [, plugin] = /^tritune\/plugins\/(\w+)$/.exec(name) ?? []
  if (plugin === undefined) return doc
  const readme = `plugins/${plugin}/README.md`
  return doc.replace('README.md', `[plugins/${plugin}](../${placeOnSite(readme)})`)
}

/** Links to what has an example: what people meet first. */
function startWith(symbols: readonly ExportedSymbol[]): string {
  const first = symbols.filter(({ tags }) => tags.some(({ kind }) => kind === 'example'))
  if (first.length === 0 || first.length === symbols.length) return ''
  const links = first.map(({ name }) => `<a href="#${name}"><code>${name}</code></a>`)
  return `<p>With examples: ${links.join(', ')}.</p>`
}

const markdown = (text: string): string => renderMarkdown(text, (href) => href).html

function symbolHtml(symbol: ExportedSymbol, places: ReadonlyMap<string, string>): string {
  const { name, kind, signatures, doc, tags, file, line } = symbol
  const code = highlight(signatures.join('\n'), 'ts')
  const parameters = tags.filter((tag) => tag.kind === 'param' && tag.doc)
  const parts = [
    ...tags
      .filter((tag) => tag.kind === 'return' && tag.doc)
      .map((tag) => `<h4>Returns</h4>${markdown(tag.doc ?? '')}`),
    ...tags.filter((tag) => tag.kind === 'throws').map((tag) => `<h4>Throws</h4>${markdown(tag.doc ?? '')}`),
    ...tags
      .filter((tag) => tag.kind === 'example')
      .map((tag) => `<h4>Example</h4>${markdown(tag.doc ?? '')}`),
  ]
  return `<section class="symbol" id="${name}">
<h3><code>${name}</code><span class="kind">${kind}</span><a class="anchor" href="#${name}" aria-label="Link to ${name}">#</a><span class="source">${file}:${line}</span></h3>
<pre tabindex="0"><code>${linkTypes(code, name, places)}</code></pre>
${markdown(doc)}${parameters.length > 0 ? `<ul>${parameters.map((tag) => `<li><code>${tag.name}</code> ${markdown(tag.doc ?? '').replace(/^<p>|<\/p>\s*$/g, '')}</li>`).join('')}</ul>` : ''}${parts.join('')}
</section>`
}

/** Names of exports in highlighted code become links to them. */
function linkTypes(html: string, self: string, places: ReadonlyMap<string, string>): string {
  return html.replace(/(<[^>]+>)|\b([A-Z]\w+)\b/g, (whole, tag: string | undefined, name: string) => {
    const place = tag === undefined && name !== self ? places.get(name) : undefined
    return place === undefined ? whole : `<a href="../${place}">${name}</a>`
  })
}
