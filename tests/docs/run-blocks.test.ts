/**
 * The TypeScript of the pages and the examples of docstrings are run, in two processes: as modules of a project that uses this checkout, each
 * in a folder of its own. What a comment `// → …` promises is what is printed; no tensor is left, but where `// leaks …` says so.
 */
import { afterAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BlockProject, blockProject } from './_block-project.ts'
import {
  type CodeBlock,
  exampleBlocks,
  isExcerpt,
  isTypeScript,
  pageBlocks,
  reasonNotToRun,
  wholeCode,
} from './_code-blocks.ts'
import type { BlockResult } from './_run-blocks.ts'

const ROOT = join(import.meta.dir, '../..')
/** All there is. A block with such a reason is type-checked. */
const REASONS: readonly string[] = ['it needs an NVIDIA GPU.', 'it is for a worker of a page.']

const blocks = [...pageBlocks().filter(isTypeScript), ...exampleBlocks()]
const whole = blocks.filter((block) => !isExcerpt(block))
const run = whole.filter((block) => reasonNotToRun(block) === undefined)
const isTestFile = ({ code }: CodeBlock): boolean => /from 'bun:test'/.test(code)

let project: BlockProject | undefined
afterAll(() => project?.[Symbol.dispose]())

async function start(
  project: BlockProject,
  command: readonly string[],
): Promise<{ out: string; err: string; code: number }> {
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: ROOT,
    env: { ...process.env, ...project.env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { out, err, code }
}

/** The lines that comments promise, in their order. */
function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ → (.+)$/gm)].map(([, text]) => text)
}

/** What of `lines` is not among `printed`, in this order. Spaces do not count. */
function missing(lines: readonly string[], printed: readonly string[]): string[] {
  const plain = (text: string): string => text.replace(/\s+/g, '')
  let from = 0
  return lines.filter((line) => {
    const at = printed.findIndex((text, i) => i >= from && plain(text) === plain(line))
    if (at >= 0) from = at + 1
    return at < 0
  })
}

describe('TypeScript of pages and docstrings', () => {
  test('is run, and prints what its comments say', async () => {
    const own = (project ??= blockProject())
    const modules = run
      .filter((block) => !isTestFile(block))
      .map((block, at) => ({ block, path: own.add(`block-${at}`, 'block.ts', wholeCode(block)) }))
    expect(modules.length).toBeGreaterThan(130)
    const started = [0, 1].map((part) =>
      start(own, [
        join(import.meta.dir, '_run-blocks.ts'),
        ...modules.filter((_, at) => at % 2 === part).map(({ path }) => path),
      ]),
    )
    const results = new Map<string, BlockResult>()
    const crashes: string[] = []
    for (const { out, err, code } of await Promise.all(started)) {
      for (const line of out.split('\n').filter((text) => text.startsWith('{'))) {
        const result: BlockResult = JSON.parse(line)
        results.set(result.path, result)
      }
      if (code !== 0) crashes.push(err)
    }
    const faults = modules.flatMap(({ block, path }) => {
      const { place } = block
      const result = results.get(path)
      if (result === undefined) return [`${place}: was not run`]
      if (result.error !== null) return [`${place}: ${result.error}`]
      const lacking = missing(promised(wholeCode(block)), result.lines)
      const left = Number(/\/\/ leaks (\d+)/.exec(wholeCode(block))?.[1] ?? 0)
      return [
        ...lacking.map((line) => `${place}: does not print "${line}", but ${JSON.stringify(result.lines)}`),
        ...(result.tensors === left ? [] : [`${place}: leaves ${result.tensors} tensors behind`]),
      ]
    })
    if (process.env.TRITUNE_SHOW_TIMES)
      for (const { block, path } of modules) console.log(results.get(path)?.seconds.toFixed(2), block.place)
    expect([...crashes, ...faults]).toEqual([])
  }, 120_000)

  test('that is a test passes', async () => {
    const own = (project ??= blockProject())
    const paths = run
      .filter(isTestFile)
      .map((block, at) => own.add(`test-${at}`, 'block.test.ts', wholeCode(block)))
    expect(paths.length).toBeGreaterThan(0)
    const { err, code } = await start(own, ['test', ...paths])
    expect([code, code === 0 ? '' : err]).toEqual([0, ''])
    expect(err).not.toContain(' 0 pass')
  }, 120_000)

  test('that is not run says why', () => {
    const reasons = whole.flatMap((block) => reasonNotToRun(block) ?? [])
    expect(reasons.filter((reason) => !REASONS.includes(reason))).toEqual([])
  })

  test('that is an excerpt stands in an example as it is', () => {
    const examples = readdirSync(join(ROOT, 'docs/examples'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => plain(readFileSync(join(ROOT, 'docs/examples', file), 'utf8')))
    const excerpts = blocks.filter(isExcerpt)
    expect(
      excerpts
        .filter(({ code }) => !examples.some((text) => text.includes(plain(code))))
        .map(({ place }) => place),
    ).toEqual([])
  })
})

function plain(code: string): string {
  return code.replace(/\s+/g, ' ').trim()
}
