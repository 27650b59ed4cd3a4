/**
 * Models, tokenizers and data that are broken or missing; part of tests/_bad-inputs.ts.
 */
import type { BadInput, BadSpace } from './_bad-inputs.ts'

const WEIGHTS = 'model/model.safetensors'

/** Overwrites some bytes of the weights. */
function patchWeights(space: BadSpace, patch: (bytes: Buffer, view: DataView) => void): void {
  const bytes = space.read(WEIGHTS)
  patch(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  space.write(WEIGHTS, bytes)
}

function headerOf(bytes: Buffer): Record<string, { data_offsets: [number, number]; shape: number[] }> {
  return JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0))))
}

const records = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

export const BAD_FILES: readonly BadInput[] = [
  {
    name: 'a base_model folder that is not there',
    prepare: (space) => space.set({ base_model: './modle' }),
    says: ['modle'],
  },
  {
    name: 'a base_model of the hub that is not in the cache, offline',
    prepare: (space) => {
      space.set({ base_model: 'nobody/no-such-model', offline: 'true' })
      return { command: ['finetune', 'config.yaml'], env: { HF_HOME: space.path } }
    },
    says: ['nobody/no-such-model'],
  },
  {
    name: 'weights that were cut off',
    prepare: (space) => space.write(WEIGHTS, space.read(WEIGHTS).subarray(0, 40_000)),
    says: ['model.safetensors'],
  },
  {
    name: 'a header that is longer than the file',
    prepare: (space) => patchWeights(space, (_, view) => view.setBigUint64(0, 10n ** 12n, true)),
    says: ['model.safetensors'],
  },
  {
    name: 'a header that lies about a size',
    prepare: (space) =>
      patchWeights(space, (bytes) => {
        const at = bytes.indexOf('"shape":[424,32]')
        bytes.write('"shape":[424,33]', at)
      }),
    says: ['model.safetensors', 'model.embed_tokens.weight'],
  },
  {
    name: 'weights with NaN',
    prepare: (space) =>
      patchWeights(space, (bytes, view) => {
        const [begin] = headerOf(bytes)['model.layers.1.mlp.up_proj.weight'].data_offsets
        view.setFloat32(8 + Number(bytes.readBigUInt64LE(0)) + begin + 40, Number.NaN, true)
      }),
    says: ['model.safetensors', 'model.layers.1.mlp.up_proj.weight', 'NaN', 'element 10 of'],
  },
  {
    name: 'no weights at all',
    prepare: (space) => space.remove(WEIGHTS),
    says: ['model', 'model.safetensors'],
  },
  {
    name: 'a config.json that is no JSON',
    prepare: (space) => space.write('model/config.json', '{"model_type": '),
    says: ['config.json', 'JSON'],
  },
  {
    name: 'a model of an unknown type',
    prepare: (space) => space.write('model/config.json', '{"model_type": "rwkv7"}'),
    says: ['model', 'rwkv7', 'not supported'],
  },
  {
    name: 'no tokenizer',
    prepare: (space) => space.remove('model/tokenizer.json'),
    says: ['model', 'tokenizer.json'],
  },
  {
    name: 'a tokenizer that was cut off',
    prepare: (space) =>
      space.write('model/tokenizer.json', space.read('model/tokenizer.json').subarray(0, 2000)),
    says: ['tokenizer.json', 'JSON'],
  },
  {
    name: 'a dataset that is not there',
    prepare: (space) => space.remove('data.jsonl'),
    says: ['data.jsonl'],
  },
  {
    name: 'an empty dataset',
    prepare: (space) => space.write('data.jsonl', ''),
    says: ['data.jsonl'],
  },
  {
    name: 'a line that is no JSON',
    prepare: (space) => space.write('data.jsonl', records(['{"text": "1 2 3"}', '{"text": "4 5', '{"text": "6"}'])),
    says: ['data.jsonl:2'],
  },
  {
    name: 'a record without its field',
    prepare: (space) => space.write('data.jsonl', records(['{"text": "1 2 3"}', '{"txet": "4 5 6"}'])),
    says: ['data.jsonl:2', 'text'],
  },
  {
    name: 'a field of another type',
    prepare: (space) => space.write('data.jsonl', records(['{"text": ["1", "2"]}'])),
    says: ['data.jsonl:1', 'text'],
  },
  {
    name: 'token ids that the model does not have',
    prepare: (space) => {
      space.set({ datasets: '\n  - path: data.jsonl' })
      space.write('data.jsonl', records(['{"input_ids": [1, 2, 3]}', '{"input_ids": [4, 424, 5]}']))
    },
    says: ['data.jsonl:2', '424'],
  },
  {
    name: 'negative token ids',
    prepare: (space) => {
      space.set({ datasets: '\n  - path: data.jsonl' })
      space.write('data.jsonl', records(['{"input_ids": [1, -7, 3]}']))
    },
    says: ['data.jsonl:1', '-7'],
  },
  {
    name: 'data that is all longer than sequence_len',
    prepare: (space) => {
      space.set({ sequence_len: '4' })
      space.write('data.jsonl', records([JSON.stringify({ text: '1 2 3 4 5 6 7 8 9'.repeat(9) })]))
    },
    says: ['sequence_len'],
  },
  {
    name: 'a prompt longer than the model knows',
    prepare: () => ({ command: ['generate', 'model', '--prompt', '1 2 3 4 5 6 7 8 9 '.repeat(40)] }),
    says: [/the prompt has \d+ tokens, the model knows 256/],
  },
]
