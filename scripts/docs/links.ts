/** Links of the built pages that lead nowhere: to a page, an anchor or a file that is not there. */
import { posix } from 'node:path'

/** `pages`: HTML by path; `files`: what else lies on the site. Links to other sites are not followed. */
export function brokenLinks(pages: ReadonlyMap<string, string>, files: ReadonlySet<string>): string[] {
  const anchors = new Map([...pages].map(([path, html]) => [path, idsOf(html)]))
  return [...pages].flatMap(([path, html]) =>
    [...html.matchAll(/ (?:href|src)="([^"]*)"/g)]
      .map(([, target]) => target.replaceAll('&amp;', '&'))
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file, anchor] = target.split('#')
        const place = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file))
        if (!pages.has(place)) return !files.has(place)
        return anchor !== undefined && anchors.get(place)?.has(decodeURIComponent(anchor)) !== true
      })
      .map((target) => `${path}: ${target}`),
  )
}

function idsOf(html: string): Set<string> {
  return new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id))
}
