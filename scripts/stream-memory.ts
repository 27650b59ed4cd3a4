/**
 * `bun scripts/stream-memory.ts [--gigabytes 2] [--steps 40]`: what streaming from a large Parquet file takes beside the model.
 *
 * Writes the file (texts that do not compress), trains on it with `streaming: true`, and trains as long on a small file of the same kind in
 * another process: the difference of the two peaks is what the size of the file costs, and the first peak less what the process had with
 * the model is what streaming takes. Linux.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fileWriter, ParquetWriter } from 'hyparquet-writer'
import { createRandom } from '../core/tensor/random.ts'
import { finetuneConfig, type FinetuneInput, prepareRun, train } from '../plugins/finetune/mod.ts'
import { ownFile } from './init/own-file.ts'

const GROUP = 4000
const MIB = 2 ** 20

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '2' },
    steps: { type: 'string', default: '40' },
    file: { type: 'string' },
  },
})
if (values.file !== undefined) await trainOn(values.file, Number(values.steps))
else await compare(Number(values.gigabytes), values.steps)

// ---- helpers ----------------------------------------------------------------------------------------------------

async function compare(gigabytes: number, steps: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tritune-stream-'))
  try {
    const small = join(folder, 'small.parquet')
    const large = join(folder, 'large.parquet')
    writeTexts(small, 16 * MIB)
    writeTexts(large, gigabytes * 1e9)
    const peaks: number[] = []
    for (const file of [small, large]) {
      const child = Bun.spawn(
        [process.execPath, fileURLToPath(import.meta.url), '--file', file, '--steps', steps],
        {
          stdout: 'pipe',
          stderr: 'inherit',
        },
      )
      const { model, peak }: { model: number; peak: number } = JSON.parse(
        await new Response(child.stdout).text(),
      )
      peaks.push(peak)
      const size = (statSync(file).size / 1e9).toFixed(2)
      console.log(
        `${size} GB: ${mib(model)} with the model, peak ${mib(peak)}, ${mib(peak - model)} above it`,
      )
    }
    console.log(`the large file takes ${mib(peaks[1] - peaks[0])} more than the small one`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

type FinetuneInputCommon = Omit<FinetuneInput, 'datasets'>

async function trainOn(file: string, steps: number): Promise<void> {
  const output = mkdtempSync(join(tmpdir(), 'tritune-stream-run-'))
  try {
    const common = {
      base_model: ownFile('quickstart/model'),
      adapter: 'lora',
      lora_target_linear: true,
      sequence_len: 256,
      sample_packing: true,
      learning_rate: 1e-4,
      output_dir: output,
      save_strategy: 'no',
    } as const
    const model = await memoryWithModel(common)
    const config = finetuneConfig.validate({
      ...common,
      datasets: [{ path: file, type: 'completion' }],
      streaming: true,
      streaming_multipack_buffer_size: 2000,
      max_steps: steps,
      micro_batch_size: 16,
    })
    using run = await prepareRun(config)
    await train(run)
    console.log(JSON.stringify({ model, peak: memory('VmHWM') }))
  } finally {
    rmSync(output, { recursive: true, force: true })
  }
}

/** With the model and a dataset of a few lines, after a step. */
async function memoryWithModel(common: FinetuneInputCommon): Promise<number> {
  const datasets = [{ path: ownFile('quickstart/moby-dick.eval.jsonl'), type: 'completion' }]
  using run = await prepareRun(
    finetuneConfig.validate({ ...common, datasets, max_steps: 1, micro_batch_size: 16 }),
  )
  await train(run)
  return memory('VmRSS')
}

function memory(field: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(found?.[1] ?? 0) * 1024
}

/** Texts of random letters, about a kilobyte each, until the file is so large. */
function writeTexts(path: string, bytes: number): void {
  const random = createRandom(1, 'texts of a large file')
  const letters = 'abcdefghijklmnopqrstuvwxyz .ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
  const pool = Array.from({ length: 1 << 16 }, () => letters[random.int(64)]).join('')
  const text = (): string => {
    let all = ''
    for (let i = 0; i < 16; i++) {
      const start = random.int(pool.length - 64)
      all += pool.slice(start, start + 64)
    }
    return all
  }
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: [
      { name: 'root', num_children: 1 },
      { name: 'text', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
    ],
    codec: 'UNCOMPRESSED',
  })
  for (let written = 0; written < bytes; written += GROUP * 1028) {
    const texts = Array.from({ length: GROUP }, text)
    writer.write({ columnData: [{ name: 'text', data: texts, encoding: 'PLAIN' }], rowGroupSize: GROUP })
  }
  writer.finish()
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`
}
