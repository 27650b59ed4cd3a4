/**
 * `bun scripts/build-cuda.ts --emulator`: compiles native/cuda for the emulator with g++, into
 * native/emulator/prebuilt/linux-x64/libtritune_cuda_emulated.so.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'

const ROOT: string = join(import.meta.dir, '..')
const BUILD = 'native/build/cuda/emulated'
const OUTPUT = 'native/emulator/prebuilt/linux-x64/libtritune_cuda_emulated.so'
const FLAGS: readonly string[] = [
  '-std=c++17',
  '-O2',
  '-march=x86-64-v3',
  '-ffp-contract=off',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-Wno-unknown-pragmas',
  `-I${BUILD}`,
]

async function run(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdout: 'pipe', stderr: 'pipe' })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (err !== '') process.stderr.write(err)
  if (code !== 0) throw new Error(`${command[0]} failed on ${command.at(-1)}`)
  return out
}

function fingerprint(object: string): string {
  const dependencies = join(ROOT, `${object}.d`)
  if (!existsSync(dependencies)) return ''
  const hash = createHash('sha256').update(FLAGS.join('\0'))
  const files = readFileSync(dependencies, 'utf8').replace(/^.*?:/, '').replaceAll('\\\n', ' ').trim()
  for (const file of files.split(/\s+/)) {
    if (!existsSync(join(ROOT, file))) return ''
    hash.update(readFileSync(join(ROOT, file)))
  }
  return hash.digest('hex')
}

async function compile(source: string): Promise<string> {
  const object = `${BUILD}/${basename(source, '.cu')}.o`
  const stamp = join(ROOT, `${object}.stamp`)
  if (
    existsSync(stamp) &&
    existsSync(join(ROOT, object)) &&
    readFileSync(stamp, 'utf8') === fingerprint(object)
  )
    return object
  await run(['g++', ...FLAGS, '-x', 'c++', '-MMD', '-MF', `${object}.d`, '-o', object, '-c', source])
  writeFileSync(stamp, fingerprint(object))
  return object
}

mkdirSync(join(ROOT, BUILD), { recursive: true })
mkdirSync(join(ROOT, OUTPUT, '..'), { recursive: true })
const sources = readdirSync(join(ROOT, 'native/cuda'))
  .filter((name) => name.endsWith('.cu'))
  .map((name) => `native/cuda/${name}`)
sources.push('native/emulator/planted.cu')
const queue = sources.filter((source) => !source.endsWith('/abi.cu'))
const objects: string[] = []
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) objects.push(await compile(next))
  }),
)
const table = await run(['nm', '--defined-only', '--format=posix', ...objects])
const names = new Set(['tt_symbols', 'tt_build_info'])
for (const [, name] of table.matchAll(/^(tt_\w+) T/gm)) names.add(name)
const generated = [
  `#define TT_SYMBOL_NAMES "${[...names].toSorted().join('\\n')}"`,
  '#define TT_SOURCE_HASH ""',
  '#define TT_COMPILER "g++"',
  '#define TT_TARGETS "emulated"',
  '#define TT_DEVICE_KIND "cuda-emulated"',
  '',
].join('\n')
const path = join(ROOT, BUILD, 'generated.h')
if (!existsSync(path) || readFileSync(path, 'utf8') !== generated) writeFileSync(path, generated)
objects.push(await compile('native/cuda/abi.cu'))
writeFileSync(join(ROOT, BUILD, 'exports.map'), '{ global: tt_*; local: *; };\n')
await run([
  'g++',
  '-shared',
  '-s',
  '-static-libstdc++',
  '-static-libgcc',
  `-Wl,--version-script=${BUILD}/exports.map`,
  '-o',
  `${OUTPUT}.new`,
  ...objects,
  '-lpthread',
])
renameSync(join(ROOT, `${OUTPUT}.new`), join(ROOT, OUTPUT))
console.log(`${OUTPUT}: ${names.size} functions`)
