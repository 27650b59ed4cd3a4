import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = join(import.meta.dir, '../..')
const pages = [
  ...readdirSync(ROOT),
  ...['docs', 'plugins'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  ),
].filter((file) => file.endsWith('.md'))
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '')

/** `scripts/checks/layers.ts`, `plugins/cpu`, `tests/golden/peft-train`: anything that starts with a folder of the repository. */
const PATH = /(?<![\w/.-])(?:\.github|core|docs|native|plugins|quickstart|scripts|tests)\/[\w.@/-]*[\w/]/g

/** Examples of files that the reader is to make, and what a build makes. */
const NOT_FILES = new Set(['native/build'])

function brokenLinks(file: string): string[] {
  return [...withoutCode(read(file)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path, anchor] = target.split('#')
      const place = path === '' ? file : join(dirname(file), path)
      return !existsSync(join(ROOT, place)) || (anchor !== undefined && !anchorsOf(place).includes(anchor))
    })
}

/** As GitHub makes them from headings. */
function anchorsOf(file: string): string[] {
  return [...withoutCode(read(file)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  )
}

function brokenPaths(file: string): string[] {
  const text = read(file)
    .replace(/\]\([^)]*\)/g, '')
    .replace(/'tritune\/[\w/]+'/g, '')
  return [...text.matchAll(PATH)]
    .map(([path]) => path)
    .filter(
      (path) =>
        !NOT_FILES.has(path) &&
        ![ROOT, join(ROOT, dirname(file))].some((from) => existsSync(join(from, path))),
    )
}

/** Names imported from tritune in the examples of a page, by module. */
function imports(file: string): { module: string; names: string[] }[] {
  return [...read(file).matchAll(/^import \{([^}]*)\} from '(tritune[\w/-]*)'/gm)].map(
    ([, list, module]) => ({
      module,
      names: list
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '' && !name.startsWith('type ')),
    }),
  )
}

describe('the pages', () => {
  test('are found', () => {
    expect(pages).toContain('README.md')
    expect(pages).toContain('docs/plugins.md')
  })

  test.each(pages)('%s has no broken link', (file) => {
    expect(brokenLinks(file)).toEqual([])
  })

  test.each(pages)('%s names no file that is not there', (file) => {
    expect(brokenPaths(file)).toEqual([])
  })

  test.each(pages)('%s imports what exists', async (file) => {
    for (const { module, names } of imports(file)) {
      const exported = Object.keys(await import(module))
      expect(names.filter((name) => !exported.includes(name))).toEqual([])
    }
  })

  test.each(pages)('%s runs commands that exist', (file) => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'))
    const commands = [...read(file).matchAll(/bun(?:@[\d.]+)? run ([\w-]+)(?![\w/.-])/g)].map(
      ([, name]) => name,
    )
    expect(commands.filter((name) => !(name in scripts))).toEqual([])
    for (const name of commands) expect(existsSync(join(ROOT, scripts[name].split(' ')[1]))).toBe(true)
  })

  test('every plugin has a README.md that its mod.ts can point to', () => {
    const plugins = readdirSync(join(ROOT, 'plugins')).filter((name) =>
      existsSync(join(ROOT, 'plugins', name, 'mod.ts')),
    )
    for (const plugin of plugins) expect(pages).toContain(`plugins/${plugin}/README.md`)
  })
})
