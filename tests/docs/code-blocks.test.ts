import { afterAll, describe, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readFinetuneConfig } from '../../plugins/finetune/mod.ts'
import { exampleBlocks, isExcerpt, isTypeScript, pageBlocks, wholeCode } from './_code-blocks.ts'

const ROOT = join(import.meta.dir, '../..')
const pages = pageBlocks()
const examples = exampleBlocks()

/** In the repository, so that `tritune/…` is found. */
const folder = mkdtempSync(join(ROOT, 'docs-blocks-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The files that the reader has beside him. */
const beside = (code: string): string =>
  code.replaceAll("'./vector-scale.ts'", "'../docs/examples/vector-scale.ts'")

describe('code blocks', () => {
  test('TypeScript type-checks', () => {
    const blocks = [...pages.filter(isTypeScript), ...examples].filter((block) => !isExcerpt(block))
    blocks.forEach((block, at) => writeFileSync(join(folder, `block-${at}.ts`), beside(wholeCode(block))))
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
