/**
 * The parts of docs/plugins.md as a stranger has them: each in one file outside of the repository, named in a YAML file, trained by the command,
 * killed, and resumed to the same bits.
 */
import { describe, expect, test } from 'bun:test'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'

const ROOT = join(import.meta.dir, '../..')
const PARTS = join(ROOT, 'docs/examples/parts')
const FILES = readdirSync(PARTS).toSorted()

function config(outputDir: string): string {
  return `base_model: ./model
adapter: lora
lora_r: 4
lora_target_linear: true
lora_dropout: 0.1
plugins: [${FILES.map((file) => `./${file}`).join(', ')}]
optimizer: momentum-sgd
optim_args: { momentum: 0.8 }
strategy: { name: skip-easy, below: 0.99 }
objective: { name: small-activations, weight: 0.001 }
monitors: [mean-loss, { name: mean-loss, file: again.txt }]
sampler: short-first
datasets:
  - path: qa.jsonl
    type: question-answer
    type_options: { prompt: "{q} " }
sequence_len: 64
micro_batch_size: 2
max_steps: 160
save_steps: 8
save_total_limit: 3
learning_rate: 0.05
warmup_steps: 0
output_dir: ./${outputDir}
`
}

function makeFolder(path: string): void {
  mkdirSync(join(path, 'node_modules'))
  symlinkSync(ROOT, join(path, 'node_modules/tritune'))
  for (const file of FILES) copyFileSync(join(PARTS, file), join(path, file))
  writeTinyModel(join(path, 'model'))
  const records = Array.from({ length: 9 }, (_, i) => ({
    q: Array.from({ length: 1 + (i % 4) }, (_, j) => j).join(' '),
    a: `${i} ${i}`,
  }))
  writeFileSync(join(path, 'qa.jsonl'), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  for (const name of ['whole', 'killed']) writeFileSync(join(path, `${name}.yaml`), config(name))
}

async function finetune(cwd: string, args: readonly string[], killAfter?: string): Promise<string> {
  const child = Bun.spawn([process.execPath, join(ROOT, 'scripts/finetune.ts'), ...args], {
    cwd,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let output = ''
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true })
    if (killAfter !== undefined && output.includes(killAfter)) child.kill('SIGKILL')
  }
  const code = await child.exited
  if (killAfter === undefined && code !== 0) throw new Error(await new Response(child.stderr).text())
  return output
}

describe('the parts of docs/plugins.md', () => {
  test.each(FILES)('%s stands in the page as it is', (file) => {
    const page = readFileSync(join(ROOT, 'docs/plugins.md'), 'utf8')
    const code = readFileSync(join(PARTS, file), 'utf8').replace(/^\/\*\*[\s\S]*?\*\/\n/, '')
    expect(page).toContain(`\`\`\`ts\n// ${file}\n${code}\`\`\``)
  })

  test('train, are killed, and resume to the same bits', async () => {
    using temporary = temporaryFolder()
    const { path } = temporary
    makeFolder(path)
    const output = await finetune(path, ['whole.yaml'])
    expect(output).toContain(`strategy   skip-easy\n`)
    expect(output).toContain(join(path, 'momentum-sgd.ts'))
    expect(output).toContain('optimizer  momentum-sgd\n')
    await finetune(path, ['killed.yaml'], 'killed/checkpoint-16')
    const resumed = await finetune(path, ['killed.yaml', '--resume'])
    expect(resumed).toContain('resumed from')
    expect(resumed).not.toContain('at step 160')

    const bytes = (folder: string, file: string): Buffer => readFileSync(join(path, folder, file))
    for (const file of ['adapter_model.safetensors', 'mean-loss.txt', 'again.txt'])
      expect(bytes('killed', file).equals(bytes('whole', file)), file).toBe(true)
    expect(bytes('whole', 'mean-loss.txt').toString()).toEndWith(' over 160 steps\n')
    const steps = (folder: string): unknown[] =>
      bytes(folder, 'metrics.jsonl')
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => {
          const { seconds: _s, tokens_per_second: _t, ...rest } = JSON.parse(line)
          return rest
        })
    expect(steps('killed')).toEqual(steps('whole'))
    const skipped = steps('whole').filter((line) => Reflect.get(Object(line), 'skipped') === 1)
    const penalties = steps('whole').filter((line) => Reflect.get(Object(line), 'penalty') > 0)
    expect(skipped.length).toBeGreaterThan(0)
    expect(penalties.length).toBe(160 - skipped.length)
  }, 60_000)
})
