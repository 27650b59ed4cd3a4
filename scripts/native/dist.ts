/**
 * Builds libtritune_dist, which finds an MPI library at run time: nothing of MPI is needed to compile it.
 */
import { mkdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { libraryFileName } from '../../core/native/platforms.ts'
import { linkFor, writeMacros } from './library.ts'
import { compileAll, type Compiled, type Unit } from './objects.ts'
import { ROOT } from './process.ts'
import { nativeSourceHash, nativeSources } from './source-hash.ts'
import { compilerOf, TARGETS, type TargetName } from './targets.ts'

// As the CPU library: no C++ run-time library may be needed.
const FLAGS: readonly string[] =
  '-std=c++17 -O2 -fvisibility=hidden -fno-exceptions -fno-rtti -fno-threadsafe-statics -Wall -Wextra'.split(
    ' ',
  )

/** Systems that have processes to start. */
export function hasDist(target: TargetName): boolean {
  return TARGETS[target].format !== 'wasm'
}

/** Path of the library in the repository. */
export function distOutput(target: TargetName): string {
  const folder = dirname(TARGETS[target].output)
  return `${folder}/${libraryFileName('tritune_dist', basename(folder).replace(/-zig$/, ''))}`
}

/** Returns the path of the library. */
export async function buildDist(
  name: TargetName = 'linux-x64',
  output: string = distOutput(name),
): Promise<string> {
  const target = TARGETS[name]
  const folder = `native/build/${name}-dist`
  const started = performance.now()
  const { command, name: compiler } = await compilerOf(target)
  mkdirSync(join(ROOT, folder), { recursive: true })
  writeMacros(`${folder}/generated.h`, { TT_SOURCE_HASH: nativeSourceHash('dist'), TT_COMPILER: compiler })
  const system = target.format === 'pe' ? 'posix' : 'windows'
  const units = nativeSources('dist')
    .filter((path) => path.endsWith('.cpp') && basename(path, '.cpp') !== system)
    .map((source): Unit => ({
      source,
      object: `${folder}/${basename(source, '.cpp')}.o`,
      command: [
        ...command,
        ...FLAGS,
        ...(target.format === 'elf' ? ['-fPIC'] : []),
        ...target.flags,
        `-I${folder}`,
      ],
      compiler,
    }))
  const onCompiled = ({ log }: Compiled): void => void process.stderr.write(log)
  const objects = await compileAll(units, { onCompiled })
  // What the CPU library links is that of the system, apart from its own name.
  const link = target.link.map((flag) => flag.replace('tritune_cpu', 'tritune_dist'))
  await linkFor(
    { ...target, link },
    { output, objects: units.map(({ object }) => object), last: ['-lpthread'] },
  )
  const compiled = objects.filter(({ fresh }) => fresh).length
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const size = (statSync(join(ROOT, output)).size / 1e6).toFixed(2)
  console.log(
    `${output}: ${compiled} of ${units.length} objects compiled in ${seconds} s, ${size} MB (${compiler})`,
  )
  return output
}
