/**
 * Runs that must be the same run: split into other micro-batches, recomputed, interrupted and resumed.
 */
import { join } from 'node:path'
import { absoluteError } from '../../tests/_golden.ts'
import { fileBytes, type Trained, type Workspace, workspace } from '../../tests/plugins/finetune/_run.ts'
import { atMost, mustBe, type Row } from './_row.ts'

const ADAPTER = 'adapter_model.safetensors'

export async function* equalityRows(): AsyncGenerator<Row> {
  using space = workspace()
  const at = (name: string, changes: object): Promise<Trained> =>
    space.train({ ...changes, output_dir: join(space.path, name) })
  const noisy = { lora_dropout: 0.2, sample_packing: true, sequence_len: 32 }

  const plain = await at('plain', noisy)
  const recomputed = await at('recomputed', { ...noisy, gradient_checkpointing: true })
  yield sameBits('gradient checkpointing: adapter after 6 steps', space, 'plain', 'recomputed')
  yield atMost('gradient checkpointing: losses', absoluteError(recomputed.losses, plain.losses), 0)

  const first = { lora_dropout: 0.2, warmup_steps: 0, max_steps: 2 }
  const one = await at('one', { ...first, micro_batch_size: 4, gradient_accumulation_steps: 1 })
  const four = await at('four', { ...first, micro_batch_size: 1, gradient_accumulation_steps: 4 })
  yield atMost(
    '4 × 1 and 1 × 4 micro-batches: loss of step 1',
    Math.abs(four.losses[0] - one.losses[0]),
    1e-6,
  )
  yield atMost(
    '4 × 1 and 1 × 4 micro-batches: loss of step 2',
    Math.abs(four.losses[1] - one.losses[1]),
    1e-5,
  )

  const saving = { ...noisy, save_strategy: undefined, save_steps: 2 }
  await at('whole', saving)
  const controller = new AbortController()
  await space.train(
    { ...saving, output_dir: join(space.path, 'parts') },
    {
      signal: controller.signal,
      onEvent: (event) => event.type === 'step' && event.report.step === 3 && controller.abort(),
    },
  )
  await space.train({ ...saving, output_dir: join(space.path, 'parts') }, { resume: 'newest' })
  yield sameBits('stopped at step 3 and resumed: adapter', space, 'whole', 'parts')
  yield sameBits(
    'stopped at step 3 and resumed: moments',
    space,
    'whole',
    'parts',
    'checkpoint-6/state.safetensors',
  )
}

function sameBits(name: string, space: Workspace, a: string, b: string, file: string = ADAPTER): Row {
  const same = fileBytes(space.path, a, file).equals(fileBytes(space.path, b, file))
  return mustBe(name, same ? 'same bits' : 'differ', 'same bits', same)
}
