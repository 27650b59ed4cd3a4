/**
 * `tritune export` as a command: what it prints, as text and as JSON, its exit codes, and that nothing is left when it fails.
 */
import { afterAll, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel } from '../../plugins/models/mod.ts'
import { attachLora, saveAdapter } from '../../plugins/peft/mod.ts'
import { openGguf } from '../../plugins/gguf/mod.ts'
import { temporaryFolder } from '../_golden.ts'
import { writeTinyModel } from '../_tiny.ts'
import { type RunCommandOptions, RUNTIMES, type Said, tritune } from './_command.ts'

const space = temporaryFolder()
afterAll(() => space[Symbol.dispose]())
const at = (name: string): string => join(space.path, name)
writeTinyModel(at('model'))
{
  using model = loadModel(at('model'))
  using adapter = attachLora(model, { rank: 2, targetModules: 'all-linear', init: false })
  saveAdapter(at('adapter'), adapter, { baseModel: at('model') })
}

function run(args: readonly string[], options: RunCommandOptions = {}): Said {
  return tritune(['export', ...args], { cwd: space.path, ...options })
}

test.each(RUNTIMES)(
  'a run’s output as GGUF, in %s',
  (runtime) => {
    const output = `${runtime}.gguf`
    const { code, stdout, stderr } = run(['adapter', output, '--to', 'gguf', '--type', 'q8_0'], { runtime })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(
      new RegExp(
        `^wrote ${output}: 1 file, .*\nopened again: 20 tensors \\(13 Q8_0, 5 F32, 2 F16\\); on \\d+ tokens max \\|Δ logit\\| `,
      ),
    )
    expect(openGguf(at(output)).tensors.size).toBe(20)
  },
  60_000,
)

test('--json is one object on stdout', () => {
  const { code, stdout } = run([
    'model',
    'json-out',
    '--to',
    'ollama',
    '--type',
    'f16',
    '--adapter',
    'adapter',
    '--lora',
    '--json',
  ])
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'E_USAGE', exitCode: 2 })
  const good = run(['model', 'json-out', '--to', 'ollama', '--adapter', 'adapter', '--json'])
  expect(good.code).toBe(0)
  expect(JSON.parse(good.stdout)).toMatchObject({
    type: 'exported',
    to: 'ollama',
    output: 'json-out',
    tensors: 20,
    files: [{ name: 'Modelfile' }, { name: 'model.gguf' }],
    difference: { tokens: expect.any(Number), sameTop: expect.any(Number) },
  })
}, 60_000)

test('a LoRA alone is tried beside its base, and a name with a space as the shell reads it', () => {
  const { code, stdout } = run(['adapter', 'its lora.gguf', '--to', 'gguf', '--lora'])
  expect(code).toBe(0)
  const name = process.platform === 'win32' ? '"its lora.gguf"' : "'its lora.gguf'"
  expect(stdout).toEndWith(`try it:\n  llama-cli -m base.gguf --lora ${name} -p "Once upon a time"\n`)
})

const wrong: [string, string[], number, RegExp][] = [
  ['no --to', ['model', 'x.gguf'], 2, /--to is missing\n {2}→ one of hf, peft, gguf, ollama, mlx/],
  [
    'an unknown target',
    ['model', 'x.gguf', '--to', 'ggml'],
    2,
    /there is no "ggml"\n {2}→ did you mean "gguf"/,
  ],
  ['an unknown type', ['model', 'x.gguf', '--to', 'gguf', '--type', 'q4_k_x'], 1, /no file type "q4_k_x"/],
  ['one argument', ['model', '--to', 'gguf'], 2, /name what to export and where to/],
  ['an output that is there', ['model', 'adapter', '--to', 'peft'], 1, /adapter: the output exists already/],
  [
    'a type of what has none',
    ['model', 'x', '--to', 'hf', '--type', 'q8_0'],
    2,
    /--type is for gguf and ollama/,
  ],
  ['no adapter', ['model', 'x', '--to', 'peft'], 2, /model has no adapter/],
  ['a source that is nowhere', ['nowhere', 'x.gguf', '--to', 'gguf', '--offline'], 1, /nowhere/],
]

test.each(wrong)(
  '%s',
  (_name, args, code, message) => {
    const before = readdirSync(space.path).toSorted()
    const said = run(args)
    expect(said).toMatchObject({ code, stdout: '' })
    expect(said.stderr).toMatch(message)
    expect(readdirSync(space.path).toSorted()).toEqual(before)
    expect(existsSync(at('x.gguf'))).toBe(false)
  },
  30_000,
)
