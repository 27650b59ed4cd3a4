/** The claims of SECURITY.md: each names a test that there is; those that no other test holds are here. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOnly } from '../../scripts/checks/_files.ts'
import { finetuneSchema } from '../../plugins/finetune/config/finetune-schema.ts'
import { loadModel } from '../../plugins/models/mod.ts'
import { attachLora, loadAdapter, saveAdapter } from '../../plugins/peft/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { tritune } from '../scripts/_command.ts'

const ROOT = join(import.meta.dir, '../..')
const page = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')
const claims = [...page.matchAll(/^\| (.+) \| (tests\/\S+\.test\.ts): (.+) \|$/gm)].map(
  ([, claim, file, title]) => ({ claim, file, title }),
)

/** The sources of core and plugins, without comments and the insides of texts. */
function sources(): Map<string, string> {
  return new Map(
    ['core', 'plugins'].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file): [string, string] => {
          const path = `${folder}/${file}`
          return [path, readFileSync(join(ROOT, path), 'utf8')]
        }),
    ),
  )
}

interface Reader extends Disposable {
  readonly path: string
  /** Whether the code that lies beside the model was run. */
  readonly ran: boolean
  write(changes: string): void
}

/** A folder with a model, data, and a module that leaves a mark when it is run. */
function reader(): Reader {
  const { path, ...temporary } = temporaryFolder()
  writeTinyModel(join(path, 'model'))
  writeFileSync(join(path, 'data.jsonl'), '{"text":"1 2 3"}\n'.repeat(4))
  writeFileSync(
    join(path, 'marks.ts'),
    `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(join(path, 'mark'))}, '')\nexport const plugin = { name: 'marks', provides: {} }\n`,
  )
  return {
    path,
    get ran() {
      return existsSync(join(path, 'mark'))
    },
    write: (changes) =>
      writeFileSync(
        join(path, 'my.yaml'),
        `base_model: ./model\nadapter: lora\nlora_r: 4\nlora_target_linear: true\nlearning_rate: 1e-3\nmax_steps: 1\nsequence_len: 64\ndevice: cpu\ndatasets: [{ path: data.jsonl, type: completion }]\n${changes}`,
      ),
    [Symbol.dispose]: () => {
      temporary[Symbol.dispose]?.()
      rmSync(path, { recursive: true, force: true })
    },
  }
}

describe('SECURITY.md', () => {
  test('has claims', () => {
    expect(claims.length).toBeGreaterThan(20)
  })

  test.each(claims)('$claim: there is a test', ({ file, title }) => {
    expect(readFileSync(join(ROOT, file), 'utf8').replaceAll('\\`', '`')).toContain(title)
  })
})

test.each([
  ['validate', ['validate', 'my.yaml']],
  ['validate --config-only', ['validate', 'my.yaml', '--config-only']],
  ['finetune --dry-run', ['finetune', 'my.yaml', '--dry-run']],
])('validate and --dry-run run the plugins that a file names: %s', (_name, args) => {
  using folder = reader()
  folder.write('')
  expect(tritune(args, { cwd: folder.path }).code).toBe(0)
  expect(folder.ran).toBe(false)
  folder.write('plugins: [./marks.ts]\n')
  expect(tritune(args, { cwd: folder.path }).code).toBe(0)
  expect(folder.ran).toBe(true)
  expect(existsSync(join(folder.path, 'model-out'))).toBe(false)
})

test('validate --config-only asks no hub', () => {
  using folder = reader()
  folder.write('')
  const file = join(folder.path, 'my.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('./model', 'org/no-such-model'))
  // Nobody listens there: whoever asks fails.
  const asked = (more: readonly string[]): number => {
    process.env.HF_ENDPOINT = 'http://127.0.0.1:9'
    process.env.HF_HUB_CACHE = join(folder.path, 'cache')
    try {
      return tritune(['validate', 'my.yaml', '--set', 'offline=true', ...more], { cwd: folder.path }).code
    } finally {
      delete process.env.HF_ENDPOINT
      delete process.env.HF_HUB_CACHE
    }
  }
  expect(asked(['--config-only'])).toBe(0)
  expect(asked([])).toBe(1)
})

test('the keys that name files and folders are told', () => {
  const keys = Object.keys(Object(Reflect.get(finetuneSchema, 'entries')))
  const naming = keys.filter((key) =>
    /_dir$|_path$|^base_model$|datasets$|_jinja$|checkpoint$|^hub_model_id$|^plugins$/.test(key),
  )
  expect(naming.length).toBeGreaterThan(8)
  expect(
    naming.filter(
      (key) => !page.includes(`\`${key}\``) && !page.includes(`\`${key}:\``) && !NO_FILES.has(key),
    ),
  ).toEqual([])
})
/** Switches with such names. */
const NO_FILES: ReadonlySet<string> = new Set(['shuffle_merged_datasets'])

test('pickled weights and adapters are refused by their names', () => {
  using folder = reader()
  const model = join(folder.path, 'model')
  const adapter = join(folder.path, 'adapter')
  using base = loadModel(model)
  {
    using made = attachLora(base, { rank: 4, targetModules: 'all-linear' })
    saveAdapter(adapter, made, { baseModel: 'model' })
  }
  renameSync(join(adapter, 'adapter_model.safetensors'), join(adapter, 'adapter_model.bin'))
  expect(() => loadAdapter(base, adapter)).toThrow('adapter_model.bin is not supported')
  renameSync(join(model, 'model.safetensors'), join(model, 'pytorch_model.bin'))
  expect(() => loadModel(model)).toThrow('its weights are pickled')
})

test('trust_remote_code runs no code of a model', () => {
  using folder = reader()
  const config = join(folder.path, 'model/config.json')
  const mark = join(folder.path, 'mark')
  writeFileSync(
    config,
    JSON.stringify({
      ...JSON.parse(readFileSync(config, 'utf8')),
      auto_map: { AutoModel: 'own.Own', AutoModelForCausalLM: 'own.Own' },
    }),
  )
  writeFileSync(join(folder.path, 'model/own.py'), `open(${JSON.stringify(mark)}, "w")\nclass Own: pass\n`)
  folder.write('trust_remote_code: true\n')
  const { code, stderr } = tritune(['finetune', 'my.yaml'], { cwd: folder.path })
  expect([code, code === 0 ? '' : stderr]).toEqual([0, ''])
  expect(folder.ran).toBe(false)
})

test('no eval, no process but a syntax check, commands of tritune and the end of an mpirun, and network in plugins/hub, plugins/trackers and plugins/http alone', () => {
  const found = { eval: new Set<string>(), process: new Set<string>(), network: new Set<string>() }
  for (const [file, source] of sources()) {
    const code = codeOnly(source)
    if (/\beval\s*\(|\bnew\s+Function\b|\beval:\s*true/.test(code)) found.eval.add(file)
    if (/['"](?:node:)?(?:child_process|vm)['"]|\bBun\.spawn|\bDeno\.Command/.test(source))
      found.process.add(file)
    if (
      /\bfetch\s*\(|\bWebSocket\b/.test(code) ||
      /['"](?:node:)?(?:https?|http2|net|tls|dgram)['"]/.test(source)
    )
      found.network.add(file.split('/').slice(0, 2).join('/'))
  }
  // The thread that keeps a lock alive and those of WebAssembly are made of a text of their own.
  expect([...found.eval].toSorted()).toEqual(['core/files/_heartbeat-lock.ts', 'plugins/wasm/threads.ts'])
  // `node --check`, which runs nothing, of a plugin that Node could not import.
  // And what the page starts: commands of tritune.
  expect([...found.process].toSorted()).toEqual([
    'plugins/distributed/end-launcher.ts',
    'plugins/finetune/plugins/import-error.ts',
    'plugins/monitor/web/json-command.ts',
  ])
  // One listens, the others ask.
  expect([...found.network].toSorted()).toEqual(['plugins/http', 'plugins/hub', 'plugins/trackers'])
})

test('the environment variables that name a file to load are told', () => {
  const users = [...sources()]
    .filter(([, source]) => /\bdlopen\b|\bkoffi\b.*load\(/.test(codeOnly(source)))
    .map(([file]) => file)
  expect(users.every((file) => file.startsWith('core/native/'))).toBe(true)
  const readers = [...sources()].filter(
    ([file, source]) => file.startsWith('core/native/') && source.includes('process.env'),
  )
  expect(readers.map(([file]) => file)).toEqual(['core/native/library-remedy.ts', 'core/native/library.ts'])
  expect(readers[0][1]).toContain('_LIBRARY`')
  expect(readers[1][1].match(/process\.env\b.*/g)).toEqual([
    'process.env[libraryVariable(device)]',
    'process.env[libraryVariable(device)] === undefined) expectMade(device)',
  ])
  for (const name of ['CPU', 'CUDA', 'CUDA_EMULATED'].map((device) => `TRITUNE_${device}_LIBRARY`))
    expect(page).toContain(name)
  // The CPU library opens one more itself, when it is told to.
  const named = [...sources()].filter(([, source]) => source.includes("tt_option_set(text('blas')"))
  expect(named.map(([file]) => file)).toEqual(['plugins/cpu/device.ts'])
  expect([...new Set(named[0][1].match(/\bTRITUNE_\w*BLAS\b/g))]).toEqual(['TRITUNE_CPU_BLAS'])
  expect(page).toContain('TRITUNE_CPU_BLAS')
})
