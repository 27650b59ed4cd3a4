/** A program that trains. Compiled by type-matrix.test.ts as a user's file, never run. */
import {
  finetune,
  type FinetuneInput,
  finetuneConfig,
  type Named,
  prepareRun,
  schemaOfFinetune,
  train,
} from 'tritune'

const base = {
  base_model: 'org/model',
  adapter: 'lora',
  lora_r: 16,
  lora_target_modules: ['q_proj', 'v_proj'],
  quantizer: { name: 'nf4', double_quant: false },
  transforms: 'clip',
  optimizer: 'one-of-a-plugin',
  device: 'cuda:1',
  eval_steps: null,
  learning_rate: 2e-4,
  datasets: [
    { path: 'a.jsonl', type: 'chat_template', roles_to_train: ['assistant'], train_on_eos: 'turn' },
    { path: 'b.jsonl', type: { format: '{instruction} {input}' }, split: 'train[:10%]' },
  ],
} satisfies FinetuneInput

export async function whole(): Promise<number> {
  const result = await finetune(base, {
    resume: 'newest-if-any',
    onEvent(event) {
      if (event.type === 'step') event.report.loss.toFixed(3)
      if (event.type === 'start') event.summary.join('\n')
    },
  })
  return result.best?.loss ?? result.loss
}

export async function inParts(): Promise<string> {
  using run = await prepareRun(finetuneConfig.validate(base))
  const objective: Named = run.config.objective
  const { outputDir } = await train(run)
  return `${objective.name} ${outputDir} ${Object.keys(schemaOfFinetune()).length}`
}

// What is left out may be undefined, too.
export const undecided: FinetuneInput = { ...base, seed: Math.random() < 0.5 ? 7 : undefined }

// @ts-expect-error: no such key
export const misspelt: FinetuneInput = { ...base, lora_rr: 8 }
// @ts-expect-error: a key of the file that nothing here needs
export const unused: FinetuneInput = { ...base, flash_attention: true }
// @ts-expect-error: not a number
export const text: FinetuneInput = { ...base, lora_r: '16' }
// @ts-expect-error: none of the values
export const value: FinetuneInput = { ...base, memory: 'less' }
// @ts-expect-error: no such key of an entry
export const entry: FinetuneInput = { ...base, datasets: [{ path: 'x', pth: 'y' }] }
// @ts-expect-error: none of the values
export const eos: FinetuneInput = { ...base, datasets: [{ path: 'x', train_on_eos: 'never' }] }
// @ts-expect-error: an entry has a path
export const pathless: FinetuneInput = { ...base, datasets: [{ type: 'alpaca' }] }
// @ts-expect-error: a part has a name
export const nameless: FinetuneInput = { ...base, strategy: [{ threshold: 1 }] }
// @ts-expect-error: a token is a text
export const token: FinetuneInput = { ...base, special_tokens: { pad_token: 7 } }
// @ts-expect-error: there must be a learning rate
export const incomplete: FinetuneInput = { base_model: 'x', datasets: [{ path: 'x' }] }
export async function option(): Promise<void> {
  // @ts-expect-error: no such option
  await finetune(base, { resum: true })
}
