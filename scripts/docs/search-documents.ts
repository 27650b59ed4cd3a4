/** What the search knows: every export, and every section of every guide. */
import type { groupsOf } from './api-pages.ts'
import type { Guide } from './guide-pages.ts'

export interface SearchDocument {
  readonly id: number
  readonly title: string
  /** Where it is found, for people. */
  readonly place: string
  readonly href: string
  readonly summary: string
  readonly text: string
}

export function searchDocuments(
  guides: readonly Guide[],
  groups: ReturnType<typeof groupsOf>,
  anchorOf: (heading: string) => string,
): SearchDocument[] {
  const ofGuides = guides.flatMap(({ path, title, text }) =>
    text
      .replace(/^```[\s\S]*?^```/gm, '')
      .split(/^#{1,3} /m)
      .slice(1)
      .map((section) => {
        const [heading, ...lines] = section.replace(/[`*]/g, '').split('\n')
        return {
          title: heading,
          place: title,
          href: `${path}#${anchorOf(heading)}`,
          summary: '',
          text: lines.join(' '),
        }
      }),
  )
  const ofExports = groups.flatMap(({ path, entry, symbols }) =>
    symbols.map(({ name, kind, doc }) => ({
      title: name,
      place: `${entry.name} · ${kind}`,
      href: `${path}#${name}`,
      summary: doc.split('\n\n')[0].replaceAll('\n', ' '),
      text: doc,
    })),
  )
  return [...ofExports, ...ofGuides].map((document, id) => ({ id, ...document }))
}
