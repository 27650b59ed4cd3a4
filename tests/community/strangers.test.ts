/**
 * A new adapter, a new quantizer and a new optimizer, each in one file outside of the repository: they pass the contract suites that
 * tritune exports, train together from YAML by `plugins:`, are killed, and resume to the same bits.
 */
import { expect, test } from 'bun:test'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { countingTexts } from '../plugins/finetune/_run.ts'

const ROOT = join(import.meta.dir, '../..')
const FILES = ['scaled-rank-one.ts', 'six-bits.ts', 'largest-gradient.ts']
const STEPS = 120

function folderOfStranger(): ReturnType<typeof temporaryFolder> {
  const temporary = temporaryFolder()
  const { path } = temporary
  mkdirSync(join(path, 'node_modules'))
  symlinkSync(ROOT, join(path, 'node_modules/tritune'))
  for (const file of [...FILES, 'contracts.ts']) copyFileSync(join(import.meta.dir, file), join(path, file))
  writeTinyModel(join(path, 'model'))
  writeFileSync(join(path, 'data.jsonl'), countingTexts(12))
  for (const name of ['whole', 'killed'])
    writeFileSync(
      join(path, `${name}.yaml`),
      `base_model: ./model
plugins: [${FILES.map((file) => `./${file}`).join(', ')}]
adapter: scaled-rank-one
adapter_options: { size: 0.5 }
lora_target_linear: true
quantizer: { name: six-bits, group: 16 }
optimizer: largest-gradient
optim_args: { beta2: 0.99 }
datasets:
  - { path: data.jsonl, type: completion }
sequence_len: 64
micro_batch_size: 2
max_steps: ${STEPS}
save_steps: 8
save_total_limit: 2
learning_rate: 0.02
weight_decay: 0.01
output_dir: ./${name}
`,
    )
  return temporary
}

/** Kills it when its output has `killAt`. */
async function bun(cwd: string, args: readonly string[], killAt?: string): Promise<string> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const errors = new Response(child.stderr).text()
  let output = ''
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true })
    if (killAt !== undefined && output.includes(killAt)) child.kill('SIGKILL')
  }
  if ((await child.exited) !== 0 && killAt === undefined) throw new Error(`${output}\n${await errors}`)
  return output
}

test('pass the contract suites', async () => {
  using folder = folderOfStranger()
  const report = await bun(folder.path, ['contracts.ts'])
  expect(report).toMatch(/\n\d\d+ kept, 0 broken, \d+ skipped\n$/)
  for (const name of ['scaled-rank-one: ', 'six-bits: ', 'largest-gradient: '])
    expect(report).toContain(`ok    ${name}`)
}, 180_000)

test('train together from YAML, are killed, and resume to the same bits', async () => {
  using folder = folderOfStranger()
  const { path } = folder
  const finetune = join(ROOT, 'scripts/finetune.ts')
  const output = await bun(path, [finetune, 'whole.yaml'])
  for (const file of FILES) expect(output).toContain(join(path, file))
  await bun(path, [finetune, 'killed.yaml'], 'killed/checkpoint-16')
  const resumed = await bun(path, [finetune, 'killed.yaml', '--resume'])
  expect(resumed).toContain('resumed from')
  expect(resumed).not.toContain(`at step ${STEPS}`)
  const bytes = (...file: string[]): Buffer => readFileSync(join(path, ...file))
  for (const file of ['adapter_model.safetensors', `checkpoint-${STEPS}/state.safetensors`])
    expect(bytes('killed', file).equals(bytes('whole', file)), file).toBe(true)
  const losses = bytes('whole', 'metrics.jsonl')
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => Number(JSON.parse(line).loss))
  expect(losses.length).toBe(STEPS)
  expect(Math.min(...losses.slice(-10))).toBeLessThan(losses[0] - 0.5)
  // What was trained loads again with the three files, and merges.
  const plugin = ['--plugin', './scaled-rank-one.ts']
  await bun(path, [join(ROOT, 'scripts/merge.ts'), 'model', 'whole', 'merged', ...plugin])
  expect(bytes('merged', 'config.json').length).toBeGreaterThan(0)
}, 120_000)
