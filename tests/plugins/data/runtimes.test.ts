/** Data files and threads in Bun, Deno and Node: the same records and the same examples. */
import { afterAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../_golden.ts'
import { TEST_RUNTIMES } from '../../_runtimes.ts'
import { writeTinyModel } from '../../_tiny.ts'

const CHILD = join(import.meta.dir, '_read-child.ts')
const GOLDEN_FILES = fileURLToPath(new URL('../../golden/data/files/', import.meta.url))
const temporary = temporaryFolder()
afterAll(() => temporary[Symbol.dispose]())
const { path: folder } = temporary
const files = join(folder, 'files')

test('are read by every runtime, and tokenised in threads', async () => {
  writeTinyModel(join(folder, 'model'))
  for (const name of readdirSync(GOLDEN_FILES))
    await Bun.write(join(files, name), readFileSync(join(GOLDEN_FILES, name)))
  writeFileSync(join(files, 'a.csv'), 'a,b\n1,"x\ny"\n2,z\n')
  const lines = join(folder, 'lines.jsonl')
  const text = `${JSON.stringify({ text: 'the whale and the ship '.repeat(40) })}\n`
  writeFileSync(lines, text.repeat(1200))
  const rows: unknown = JSON.parse(readFileSync(join(files, 'rows.json'), 'utf8'))
  const answers: Record<string, unknown>[] = []
  for (const { command, needsBundle } of TEST_RUNTIMES) {
    // A bundle has no module for the threads: in the package they are files.
    const program = needsBundle ? await bundle() : CHILD
    const rest = needsBundle ? [] : [join(folder, 'model'), lines]
    const child = Bun.spawn([...command, program, files, ...rest], { stdout: 'pipe', stderr: 'pipe' })
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ])
    expect([await child.exited, err]).toEqual([0, expect.any(String)])
    answers.push(JSON.parse(out))
  }
  for (const { examples, ...found } of answers) {
    expect(found['a.csv']).toEqual([
      { a: '1', b: 'x\ny' },
      { a: '2', b: 'z' },
    ])
    for (const name of [
      'snappy.parquet',
      'gzip.parquet',
      'zstd.parquet',
      'brotli.parquet',
      'lz4.parquet',
      'file.arrow',
      'stream.arrow',
    ])
      expect(found[name]).toEqual(rows)
    expect(examples === undefined || examples === answers[0]['examples']).toBe(true)
  }
}, 120_000)

async function bundle(): Promise<string> {
  const { outputs } = await Bun.build({ entrypoints: [CHILD], target: 'node' })
  const path = join(folder, 'read-child.mjs')
  await Bun.write(path, outputs[0])
  return path
}
