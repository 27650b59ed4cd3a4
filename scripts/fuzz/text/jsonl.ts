/**
 * `jsonl`: files of records, read as each type of dataset and turned into tokens.
 */
import * as v from 'valibot'
import { DATASET_TYPES, type DataConfig, datasetOptions, loadDataset } from '../../../plugins/data/mod.ts'
import { openTokenizer } from '../../../plugins/finetune/mod.ts'
import { TrituneError } from '../../../core/mod.ts'
import { ROOT } from '../../native/process.ts'
import { expectAnswerLater, expectLinearLater } from '../answer.ts'
import { openScratch } from '../files.ts'
import type { Fuzzer } from '../fuzzer.ts'
import { mutateJson, mutateText, nested } from '../mutate.ts'
import type { Dice } from '../random.ts'

const RECORDS: readonly unknown[] = [
  { instruction: 'Say it', input: 'twice', output: 'it it' },
  {
    messages: [
      { role: 'system', content: 's' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Ho', tool_calls: null },
    ],
  },
  {
    conversations: [
      { from: 'human', value: 'Hi' },
      { from: 'gpt', value: 'Ho' },
    ],
  },
  { text: 'Call me Ishmael.' },
  {
    segments: [
      { label: true, text: 'a' },
      { label: false, text: 'b' },
    ],
  },
  { input_ids: [1, 2, 3], labels: [-100, 2, 3], attention_mask: [1, 1, 1] },
]

const GROWING: Readonly<Record<string, (n: number) => string>> = {
  'many records': (n) => `${JSON.stringify(RECORDS[3])}\n`.repeat(n),
  'one long text': (n) => JSON.stringify({ text: 'whale '.repeat(n) }),
  'one long word': (n) => JSON.stringify({ text: 'w'.repeat(n) }),
  'empty lines': (n) => '\n'.repeat(n),
  'nested lists': (n) => JSON.stringify({ text: nested(Math.min(n, 4000)) }),
  brackets: (n) => '['.repeat(n),
  'bad records': (n) => '{"x": 1}\n'.repeat(n),
}

export function jsonlFuzzer(): Fuzzer {
  const scratch = openScratch()
  const tokenizer = openTokenizer(`${ROOT}/quickstart/model`, {
    special_tokens: {
      bos_token: null,
      eos_token: null,
      pad_token: null,
      unk_token: null,
      additional_special_tokens: null,
    },
    chat_template: null,
    chat_template_jinja: null,
  })
  const load = async (dice: Dice | null, text: string, name = 'x.jsonl'): Promise<void> => {
    const path = scratch.write(name, text)
    const type = dice ? dice.pick([...DATASET_TYPES]) : 'completion'
    const parsed = v.safeParse(datasetOptions, {
      path,
      type,
      ...(type === 'chat_template' ? { chat_template: 'chatml' } : {}),
    })
    if (!parsed.success) throw new TrituneError('E_CONFIG', parsed.issues[0].message)
    using _data = await loadDataset(configOf([parsed.output]), tokenizer)
  }
  return {
    async run(dice) {
      if (dice.chance(0.003)) {
        const name = dice.pick(Object.keys(GROWING))
        await expectLinearLater(`jsonl: ${name}`, GROWING[name], (text) => load(null, text))
        return
      }
      const lines = Array.from(
        { length: dice.between(1, 4) },
        () =>
          JSON.stringify(dice.chance(0.7) ? mutateJson(dice, dice.pick(RECORDS)) : dice.pick(RECORDS)) ?? '',
      )
      const whole = lines.join('\n')
      const text = dice.chance(0.4) ? mutateText(dice, [whole]) : whole
      const name = dice.pick(['x.jsonl', 'x.json', 'x.txt', 'x.ndjson', 'x.md'])
      await expectAnswerLater(`jsonl ${name}`, text.length, () => load(dice, text, name))
    },
  }
}

function configOf(datasets: DataConfig['datasets']): DataConfig {
  return {
    datasets,
    test_datasets: [],
    sequence_len: 256,
    excess_length_strategy: 'drop',
    min_sample_len: 1,
    train_on_inputs: false,
    eot_tokens: null,
    max_skipped_share: 1,
    val_set_size: 0,
    shuffle_merged_datasets: false,
    dataset_prepared_path: null,
    dataset_processes: null,
    dataset_exact_deduplication: false,
    dataset_near_deduplication: null,
    streaming: false,
    streaming_multipack_buffer_size: 10_000,
    seed: 1,
  }
}
