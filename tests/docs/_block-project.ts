/**
 * A project in a temporary folder that uses this checkout, with what the pages suppose that a reader has: a model, data, adapters, the file of a
 * run; and a hub on this machine that has the models which the pages name, and takes uploads.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from '../../plugins/models/mod.ts'
import { attachLora, saveAdapter } from '../../plugins/peft/mod.ts'
import { GOLDEN } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { writeRunFolder } from '../plugins/runs/_folder.ts'
import { type PushServer, pushServer, type StoredFile } from '../plugins/hub/_push-server.ts'

const ROOT = join(import.meta.dir, '../..')
/** Names of models that pages use; all of them are the tiny one here. */
const MODELS = ['my-model', 'model']
const ON_THE_HUB = ['HuggingFaceTB/SmolLM2-135M-Instruct', 'org/name']

export interface BlockProject extends Disposable {
  /** What a process that runs blocks needs in its environment. */
  readonly env: Readonly<Record<string, string>>
  /** Writes a module into a folder of its own, beside what the reader has. */
  add(name: string, file: string, code: string): string
}

export function blockProject(): BlockProject {
  const root = mkdtempSync(join(tmpdir(), 'tritune-blocks-'))
  const shared = join(root, 'shared')
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  symlinkSync(ROOT, join(root, 'node_modules/tritune'))
  for (const name of ['mitata', 'valibot'])
    symlinkSync(join(ROOT, 'node_modules', name), join(root, 'node_modules', name))
  writeFileSync(join(root, 'package.json'), '{ "name": "reader", "type": "module" }\n')
  writeShared(shared)
  const hub = hubOf(join(shared, 'my-model'))
  return {
    env: {
      HF_ENDPOINT: hub.endpoint,
      HF_TOKEN: hub.token,
      HF_HOME: join(root, 'home'),
      HF_HUB_CACHE: join(root, 'cache'),
    },
    add(name, file, code) {
      const folder = join(root, name)
      mkdirSync(folder, { recursive: true })
      for (const entry of readdirSync(shared)) {
        // What is written into a folder of the reader's must not reach another block.
        if (MODELS.includes(entry)) symlinkSync(join(shared, entry), join(folder, entry))
        else cpSync(join(shared, entry), join(folder, entry), { recursive: true })
      }
      writeFileSync(join(folder, file), code)
      return join(folder, file)
    },
    [Symbol.dispose]() {
      hub[Symbol.dispose]()
      rmSync(root, { recursive: true, force: true })
    },
  }
}

function writeShared(shared: string): void {
  for (const name of MODELS) writeTinyModel(join(shared, name), { max_position_embeddings: 4096 })
  const record = {
    instruction: 'Add 1 and 2.',
    output: '3',
    messages: [
      { role: 'user', content: 'Add 1 and 2.' },
      { role: 'assistant', content: '3' },
    ],
  }
  writeFileSync(join(shared, 'my-data.jsonl'), `${JSON.stringify(record)}\n`.repeat(16))
  writeFileSync(
    join(shared, 'my.yaml'),
    'base_model: ./my-model\nadapter: lora\nlora_r: 4\nlora_target_linear: true\nlearning_rate: 1e-3\nmax_steps: 2\nsequence_len: 128\n' +
      'datasets:\n  - path: my-data.jsonl\n    type: alpaca\noutput_dir: ./my-output\n',
  )
  writeRunFolder(
    join(shared, 'my-run'),
    {
      run_id: 'r',
      run_name: 'my-run',
      status: 'running',
      current_step: 3,
      total_steps: 10,
      host: 'elsewhere',
    },
    { 'metrics.jsonl': [1, 2, 3].map((step) => ({ step, loss: 3 / step })) },
  )
  cpSync(join(ROOT, 'docs/examples/vector-scale.ts'), join(shared, 'vector-scale.ts'))
  cpSync(join(GOLDEN, 'gguf/llama.gguf'), join(shared, 'my-model.gguf'))
  cpSync(join(GOLDEN, 'gguf/tokenizer-smollm.gguf'), join(shared, 'my-tokenizer.gguf'))
  using model = loadModel(join(shared, 'my-model'))
  for (const name of ['my-adapter', 'german', 'polite']) {
    using adapter = attachLora(model, { rank: 4, targetModules: 'all-linear' })
    saveAdapter(join(shared, name), adapter, { baseModel: 'my-model' })
  }
}

function hubOf(model: string): PushServer {
  const hub = pushServer()
  const files = (names: readonly string[], from: (name: string) => string): ReadonlyMap<string, StoredFile> =>
    new Map(
      names.map((name) => [
        name,
        { content: new Uint8Array(readFileSync(from(name))), lfs: /\.(safetensors|gguf)$/.test(name) },
      ]),
    )
  const add = (
    repo: string,
    content: ReadonlyMap<string, StoredFile>,
    refs: readonly string[] = [],
  ): void => {
    const commit = 'a'.repeat(40)
    hub.repos.set(repo, {
      isPrivate: false,
      refs: new Map([['main', [commit]], ...refs.map((ref): [string, string[]] => [ref, [commit]])]),
      commits: new Map([[commit, content]]),
      titles: [],
    })
  }
  for (const repo of ON_THE_HUB)
    add(
      repo,
      files(readdirSync(model), (name) => join(model, name)),
      ['v1.0'],
    )
  add(
    'org/name-GGUF',
    files(['model-q8_0.gguf'], () => join(GOLDEN, 'gguf/llama.gguf')),
  )
  return hub
}
