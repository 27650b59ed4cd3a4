/** The run that `bench memory` and `bench estimate` measure: random tokens of one length, on a model folder. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRandom } from '../../../core/mod.ts'
import type { FinetuneInput } from '../../../plugins/finetune/mod.ts'

export type Method = 'lora' | 'qlora' | 'full'

export interface MemoryRun {
  readonly model: string
  readonly method: Method
  /** Tokens of each of the four rows. */
  readonly length: number
  readonly steps: number
  readonly memory: 'auto' | 'lean' | 'fast'
  readonly offload: 'disk' | false
  readonly optimizer: string
  readonly checkpointing: boolean
  readonly bf16: boolean
}

const LORA = { adapter: 'lora', lora_r: 16, lora_alpha: 32, lora_target_linear: true }
const METHODS: Readonly<Record<Method, object>> = {
  lora: LORA,
  qlora: { ...LORA, adapter: 'qlora', load_in_4bit: true },
  full: { adapter: 'none' },
}

export function isMethod(name: string): name is Method {
  return Object.hasOwn(METHODS, name)
}

/** The keys of the run; writes the data into `folder`, where the result goes too. */
export function memoryKeys(run: MemoryRun, folder: string): FinetuneInput {
  const { vocab_size: vocab } = JSON.parse(readFileSync(join(run.model, 'config.json'), 'utf8'))
  const random = createRandom(3, 'bench/tokens')
  const rows = Array.from({ length: 4 }, () => {
    const ids = Array.from({ length: run.length }, () => random.int(vocab))
    return `${JSON.stringify({ input_ids: ids, labels: ids })}\n`
  })
  writeFileSync(join(folder, 'data.jsonl'), rows.join(''))
  return {
    base_model: run.model,
    ...METHODS[run.method],
    bf16: run.bf16,
    optimizer: run.optimizer,
    gradient_checkpointing: run.checkpointing,
    activation_offloading: run.offload,
    memory: run.memory,
    sequence_len: run.length,
    max_steps: run.steps,
    learning_rate: 1e-4,
    datasets: [{ path: join(folder, 'data.jsonl') }],
    output_dir: join(folder, 'out'),
    save_strategy: 'no',
  }
}
