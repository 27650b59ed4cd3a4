/** The frame of every page: navigation, search, table of contents. Knows nothing of what is on the page. */
import { escapeHtml } from './markdown.ts'

export interface Page {
  /** From the root of the site: `api/core-ops.html`. */
  readonly path: string
  readonly title: string
  /** Heading in the navigation that it stands under. */
  readonly section: string
  readonly html: string
  readonly toc: readonly { readonly id: string; readonly text: string }[]
}

/** How a page gets to the root of the site. */
export function toRoot(path: string): string {
  return '../'.repeat(path.split('/').length - 1)
}

export function frame(page: Page, pages: readonly Page[]): string {
  const root = toRoot(page.path)
  const sections = [...new Set(pages.map(({ section }) => section))]
  const navigation = sections
    .map((section) => {
      const items = pages
        .filter((other) => other.section === section)
        .map(
          ({ path, title }) =>
            `<li><a href="${root}${path}"${path === page.path ? ' aria-current="page"' : ''}>${escapeHtml(title)}</a></li>`,
        )
      return `<h2>${escapeHtml(section)}</h2><ul>${items.join('')}</ul>`
    })
    .join('')
  const toc = page.toc.map(({ id, text }) => `<li><a href="#${id}">${escapeHtml(text)}</a></li>`).join('')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(page.title)} · tritune</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${root}style.css">
<script defer src="${root}site.js" data-root="${root}"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<a class="brand" href="${root}index.html">tritune</a>
<div class="search" role="search">
<input id="search" type="search" placeholder="Search  /" aria-label="Search" autocomplete="off" spellcheck="false">
<ol id="results" hidden></ol>
</div>
</header>
<div class="columns">
<details class="navigation"><summary>Pages</summary><nav aria-label="Pages">${navigation}</nav></details>
<main id="content">
${page.html}
</main>
${toc === '' ? '<span></span>' : `<nav class="toc" aria-label="On this page"><h2>On this page</h2><ul>${toc}</ul></nav>`}
</div>
</body>
</html>
`
}
