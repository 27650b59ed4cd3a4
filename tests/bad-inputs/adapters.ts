/**
 * Adapters that do not fit, and disks that are full; run by run.ts.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type BadInput, type BadSpace, type Invocation, NotHere, RECORD } from './case.ts'
import { GOLDEN } from '../_golden.ts'

const OTHER = join(GOLDEN, 'peft-train/adapter-b-nonzero')

/** A file system of 64 KiB at `out`; where that is not allowed, files of at most 8 KiB. */
function fullDisk(space: BadSpace, command: readonly string[]): Invocation {
  const out = join(space.path, 'out')
  mkdirSync(out)
  const mount = Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', out], {
    stdout: 'ignore',
    stderr: 'ignore',
  })
  if (mount.exitCode === 0) {
    const cleanUp = (): void => {
      Bun.spawnSync(['umount', out])
      rmSync(out, { recursive: true, force: true })
    }
    return { command, cleanUp }
  }
  if (process.platform === 'win32') throw new NotHere('there is no way to make a full disk here')
  return { command, shell: "trap '' XFSZ; ulimit -f 8;" }
}

export const BAD_ADAPTERS: readonly BadInput[] = [
  {
    name: 'an adapter folder that is not there',
    prepare: () => 'generate model --adapter nowhere --prompt 1',
    says: ['nowhere', 'adapter_config.json'],
  },
  {
    name: 'an adapter of another model',
    prepare: () => ({ command: ['generate', 'model', '--adapter', OTHER, '--prompt', '1'] }),
    says: ['adapter_model.safetensors'],
  },
  {
    name: 'merging an adapter of another model',
    prepare: () => ({ command: ['merge', 'model', OTHER, 'merged'] }),
    says: ['adapter_model.safetensors'],
  },
  {
    name: 'a full disk while saving the adapter',
    prepare: (space) => fullDisk(space, ['finetune', 'config.yaml', '--set', 'lora_r=16']),
    says: [
      'out',
      /no space left on the disk|too large for this disk/,
      'nothing half-written was left behind',
    ],
    leaves: RECORD,
  },
  {
    name: 'a full disk while saving a checkpoint',
    prepare: (space) =>
      fullDisk(space, ['finetune', 'config.yaml', '--set', 'save_steps=1', '--set', 'lora_r=16']),
    says: ['checkpoint-1', /no space left on the disk|too large for this disk/],
    leaves: RECORD,
  },
  {
    name: 'a full disk while merging',
    prepare: (space) => fullDisk(space, ['merge', 'model', 'none', 'out/merged']),
    says: ['out/merged', /no space left on the disk|too large for this disk/],
  },
  {
    name: 'a full disk while exporting a GGUF file',
    prepare: (space) =>
      fullDisk(space, ['export', 'model', 'out/model.gguf', '--to', 'gguf', '--type', 'f32']),
    says: ['out/model.gguf', /no space left on the disk|too large for this disk/],
  },
  {
    name: 'a full disk while exporting for Ollama',
    prepare: (space) => fullDisk(space, ['export', 'model', 'out/folder', '--to', 'ollama', '--type', 'f32']),
    says: ['out/folder', /no space left on the disk|too large for this disk/],
  },
  {
    name: 'exporting to a file that is there',
    prepare: () => 'export model config.yaml --to peft',
    says: ['config.yaml', 'exists already'],
  },
  {
    name: 'exporting an adapter with a base of another shape',
    prepare: () => ({ command: ['export', OTHER, 'x.gguf', '--to', 'gguf', '--base', 'model'] }),
    says: ['adapter_model.safetensors'],
  },
]
