/** Markdown → HTML with highlighted code and anchors as GitHub makes them. Links and the places of images are given to `link` to be rewritten. */
import hljs from 'highlight.js/lib/common'
import { Marked, type Tokens } from 'marked'

export interface Rendered {
  readonly html: string
  readonly headings: readonly { readonly depth: number; readonly text: string; readonly id: string }[]
}

export function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}

/** As GitHub makes them. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}

export function highlight(code: string, language: string): string {
  const name = /^\S*/.exec(language)?.[0] ?? ''
  if (!hljs.getLanguage(name)) return escapeHtml(code)
  const html = hljs.highlight(code, { language: name }).value
  // Words such as `test` and `yes` are commands of a shell, and here seldom meant.
  return name === 'sh' ? html.replace(/<span class="hljs-built_in">(.*?)<\/span>/g, '$1') : html
}

export function renderMarkdown(text: string, link: (href: string) => string): Rendered {
  const headings: Rendered['headings'][number][] = []
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text: raw }: Tokens.Heading): string {
        const plain = raw.replace(/[`*]/g, '')
        const id = anchorOf(plain)
        headings.push({ depth, text: plain, id })
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)} <a class="anchor" href="#${id}" aria-label="Link to this section">#</a></h${depth}>\n`
      },
      code({ text: code, lang }: Tokens.Code): string {
        return `<pre tabindex="0"><code>${highlight(code, lang ?? '')}</code></pre>\n`
      },
      table(token: Tokens.Table): string {
        const row = (cells: readonly Tokens.TableCell[], tag: string): string =>
          `<tr>${cells.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join('')}</tr>`
        const head = token.header.some(({ text: cell }) => cell !== '')
          ? `<thead>${row(token.header, 'th')}</thead>`
          : ''
        return `<div class="table" tabindex="0"><table>${head}<tbody>${token.rows.map((cells) => row(cells, 'td')).join('')}</tbody></table></div>\n`
      },
      image({ href, text: alt }: Tokens.Image): string {
        return `<img src="${escapeHtml(link(href))}" alt="${escapeHtml(alt)}">`
      },
      link({ href, tokens }: Tokens.Link): string {
        return `<a href="${escapeHtml(link(href))}">${this.parser.parseInline(tokens)}</a>`
      },
    },
  })
  return { html: marked.parse(text, { async: false }), headings }
}
