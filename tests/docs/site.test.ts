import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { checkInBrowser, findChromium } from '../../scripts/docs/browser-check.ts'
import { readApi } from '../../scripts/docs/api.ts'
import { buildSite } from '../../scripts/docs/build-site.ts'
import { brokenLinks } from '../../scripts/docs/links.ts'

const ROOT = join(import.meta.dir, '../..')
const api = readApi(ROOT)
const site = buildSite(ROOT, api)

describe('the site', () => {
  test('has every export of every entry point, with its signature', () => {
    expect(api.map(({ name }) => name)).toContain('tritune/plugins/finetune')
    for (const { name, symbols } of api) {
      expect([name, symbols.length > 0]).toEqual([name, true])
      for (const { name: symbol, signatures } of symbols)
        expect([symbol, signatures.every((text) => /^(?:export|declare) /.test(text))]).toEqual([
          symbol,
          true,
        ])
    }
  })

  test('has the members of a class, without what is private and without bodies', () => {
    const [tensor] = api.flatMap(({ symbols }) => symbols).filter(({ name }) => name === 'Tensor')
    expect(tensor.signatures[0]).toContain('  toArray(): Float32Array\n')
    expect(tensor.signatures[0]).toContain('  get device(): Device\n')
    expect(tensor.signatures[0]).not.toMatch(/#|return|\n\n\n/)
    expect(tensor.signatures[0]).toEndWith('\n}')
  })

  test('has the whole type of a constant, and not its value', () => {
    const all = api.flatMap(({ symbols }) => symbols)
    const { signatures } = all.find(({ name }) => name === 'rmsNormBackward') ?? { signatures: [] }
    expect(signatures).toEqual([
      [
        'export const rmsNormBackward: Op<',
        '  RmsNormBackwardInputs,',
        '  { readonly wantsDw: boolean },',
        '  { readonly dx: Tensor; readonly dw: Tensor | null }',
        '> = …',
      ].join('\n'),
    ])
    for (const { signatures: each } of all) for (const text of each) expect(text).not.toMatch(/[<({,] = …$/)
  })

  test('asks for nothing outside', () => {
    for (const [path, html] of site) {
      if (path.endsWith('.html')) expect(html).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="https?:/)
    }
  })

  test('a link to a page, a file or an anchor that is not there is found', () => {
    const pages = new Map([
      [
        'a.html',
        '<h1 id="top"></h1><a href="b/c.html#x">1</a><a href="b/c.html#y">2</a><a href="d.html">3</a><a href="e.txt">4</a>',
      ],
      ['b/c.html', '<a id="x" href="../a.html#top">5</a><a href="#z">6</a>'],
    ])
    expect(brokenLinks(pages, new Set(['e.txt']))).toEqual([
      'a.html: b/c.html#y',
      'a.html: d.html',
      'b/c.html: #z',
    ])
  })
})

const chromium = findChromium()
if (chromium === undefined)
  console.log('not looked at in a browser: there is no Chromium (apt-get install chromium)')

test.skipIf(chromium === undefined)(
  'in Chromium: search finds Adapter, nothing is wider than its screen, dark is dark',
  async () => {
    const { faults, found, pages } = await checkInBrowser(site, chromium ?? '')
    expect(faults).toEqual([])
    expect(found[0]).toBe('Adapter')
    expect(pages).toBeGreaterThan(40)
  },
  120_000,
)
