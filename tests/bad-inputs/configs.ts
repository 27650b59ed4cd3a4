/**
 * Command lines and configurations that are wrong; run by run.ts.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openDevice } from '../../plugins/cuda/mod.ts'
import { HAS_EMULATOR } from '../cuda/_emulated.ts'
import { type BadInput, NotHere, RECORD } from './case.ts'

export const BAD_CONFIGS: readonly BadInput[] = [
  {
    name: 'a configuration that is not there',
    prepare: () => 'finetune cofnig.yaml',
    says: ['cofnig.yaml', 'cannot read the configuration'],
  },
  {
    name: 'a folder as configuration',
    prepare: () => 'finetune model',
    says: ['model', 'cannot read the configuration'],
  },
  {
    name: 'an empty configuration',
    prepare: (space) => space.write('config.yaml', ''),
    says: ['config.yaml'],
  },
  {
    name: 'a configuration of comments only',
    prepare: (space) => space.write('config.yaml', '# base_model: x\n'),
    says: ['config.yaml'],
  },
  {
    name: 'broken YAML',
    prepare: (space) => space.write('config.yaml', 'base_model: ./model\ndatasets: [\nlora_r: 4\n'),
    says: [/config\.yaml:\d+:\d+/],
  },
  {
    name: 'a text where a number belongs',
    prepare: (space) => space.set({ lora_r: 'sixteen' }),
    says: [/config\.yaml:3:\d+/, 'lora_r', 'sixteen'],
  },
  {
    name: 'a GPU where none can be used',
    prepare(space) {
      if (openDevice('auto').device.kind === 'cuda') throw new NotHere('there is a GPU')
      space.set({ device: 'cuda' })
    },
    says: [/config\.yaml:\d+:\d+ device/, /no NVIDIA driver|sees no GPU|is not there|too old/],
  },
  {
    name: 'a GPU with too little memory for a step',
    prepare(space) {
      if (!HAS_EMULATOR) throw new NotHere('there is no emulated GPU')
      const text = Array.from({ length: 25 }, (_, i) => i % 10).join(' ')
      space.write('data.jsonl', `${JSON.stringify({ text })}\n`.repeat(16))
      space.set({ device: 'cuda-emulated', micro_batch_size: '8' })
      return { command: ['finetune', 'config.yaml'], env: { TRITUNE_EMULATED_MEMORY: '1' } }
    },
    says: [
      'cuda-emulated has no memory left in the first step',
      /model +\d+ KiB +llama, f32/,
      'activations',
      'set one of these, in this order: gradient_checkpointing: true; micro_batch_size: 4',
    ],
    leaves: RECORD,
  },
  {
    name: 'a device that there is not',
    prepare: () => 'generate model --prompt x --device gpu',
    says: ['--device', 'gpu'],
    exitCode: 2,
  },
  {
    name: 'a number out of range',
    prepare: (space) => space.set({ lora_dropout: '1.5' }),
    says: [/config\.yaml:\d+:\d+/, 'lora_dropout', '1.5'],
  },
  {
    name: 'a misspelt key',
    prepare: (space) => space.set({ learning_rte: '1e-4' }),
    says: [/config\.yaml:\d+:\d+/, 'learning_rte', 'learning_rate'],
  },
  {
    name: 'a wrong --set',
    prepare: () => ({ command: ['finetune', 'config.yaml', '--set', 'lora_r=four'] }),
    says: ['--set', 'lora_r', 'four'],
  },
  {
    name: 'an unknown option',
    prepare: () => 'finetune config.yaml --rseume',
    says: ['unknown option --rseume', 'resume'],
    exitCode: 2,
  },
  {
    name: 'an unknown module in lora_target_modules',
    prepare: (space) => space.set({ lora_target_linear: 'false', lora_target_modules: '[q_proj, v_porj]' }),
    says: ['"v_porj" matches no layer', 'did you mean "v_proj"'],
  },
  {
    name: 'a rank larger than the layers',
    prepare: (space) => space.set({ lora_r: '10000' }),
    says: ['rank 10000 is larger than the layer', 'lora_r'],
  },
  {
    name: 'longer sequences than the model knows',
    prepare: (space) => space.set({ sequence_len: '4096' }),
    says: ['sequence_len 4096 is longer than the 256 tokens'],
  },
  {
    name: 'a file as output folder',
    prepare: (space) => {
      space.write('out', 'this is a file')
    },
    says: ['./out', 'is a file', 'name another folder'],
  },
  {
    name: 'nothing to resume from',
    prepare: () => 'finetune config.yaml --resume',
    says: ['out', 'there is no checkpoint to resume from'],
  },
  {
    name: 'merging into a folder that exists',
    prepare: (space) => {
      mkdirSync(join(space.path, 'merged'))
      return 'merge model none merged'
    },
    says: ['merged', 'exists already'],
  },
]
