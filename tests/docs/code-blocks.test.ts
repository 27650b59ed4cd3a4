import { afterAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFinetuneConfig } from '../../plugins/finetune/mod.ts'
import { type CodeBlock, exampleBlocks, pageBlocks } from './_code-blocks.ts'

const ROOT = join(import.meta.dir, '../..')
const pages = pageBlocks()
const examples = exampleBlocks()

/** In the repository, so that `tritune/…` is found. */
const folder = mkdtempSync(join(ROOT, 'docs-blocks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const isTypeScript = ({ language }: CodeBlock): boolean => language === 'ts' || language === 'typescript'
/** Excerpts of a longer file have no import; the file is tested as a whole. */
const isWhole = ({ code }: CodeBlock): boolean =>
  /^import /m.test(code) && !EXCERPTS.some(({ has }) => code.includes(has))
/** Blocks with imports that are excerpts all the same, and why. */
const EXCERPTS = [
  {
    has: 'loadAdapter(model',
    why: 'goes on with a model that the reader has; tests/plugins/peft does the same with one',
  },
] as const
/** The files that the reader has beside him. */
const beside = (code: string): string =>
  code.replaceAll("'./vector-scale.ts'", "'../docs/examples/vector-scale.ts'")

describe('code blocks', () => {
  test('TypeScript type-checks', () => {
    const blocks = [...pages.filter(isTypeScript).filter(isWhole), ...examples]
    blocks.forEach(({ code }, at) =>
      writeFileSync(join(folder, `block-${at}.ts`), `${beside(code)}\nexport {}\n`),
    )
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../tsconfig.json',
        compilerOptions: {
          noUnusedLocals: false,
          noUnusedParameters: false,
          isolatedDeclarations: false,
          declaration: false,
        },
        include: ['*.ts'],
      }),
    )
    const { stdout } = spawnSync(
      process.execPath,
      [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'],
      {
        cwd: ROOT,
        encoding: 'utf8',
      },
    )
    expect(blocks.length).toBeGreaterThan(10)
    expect(stdout.replace(/\S*block-(\d+)\.ts/g, (_, at: string) => blocks[Number(at)].place)).toBe('')
  }, 60_000)

  test.each(pages.filter(({ language, code }) => language === 'yaml' && /^base_model:/m.test(code)))(
    'YAML $place is the file of a run',
    ({ code, place }) => {
      expect(readFinetuneConfig(code, place).base_model).not.toBe('')
    },
  )
})
