/**
 * The rehearsal: its steps, and what has to come out.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { TrituneError } from '../../core/errors.ts'
import { build } from '../build.ts'
import { DIST } from '../build/paths.ts'
import { denoCommand } from '../_deno.ts'
import { writeJsrPackage } from '../build/jsr-package.ts'
import { run } from './run.ts'
import { lintPackage } from './lint-package.ts'
import { PLUGIN_NAMES, startAuthor } from './author.ts'
import { type Outcome, PLUGINS, useAsStranger } from './project.ts'
import { startRegistry } from './registry.ts'
import { clientRuntime, type RuntimeName } from './runtimes.ts'
import { installTools } from './tools.ts'

/** What an installation may take: of all runtimes, without and with the libraries for GPUs. */
const LARGEST = { plain: 30e6, withCuda: 60e6 } as const

/** Throws E_DATA with all that was not as it has to be. */
export async function rehearse(
  folder: string,
  runtimes: readonly RuntimeName[],
  say: (line: string) => void,
): Promise<void> {
  const began = performance.now()
  const packages = build(DIST)
  say(`built      ${packages.map((one) => one.slice(DIST.length, -1)).join(', ')}`)
  await installTools([
    'registry',
    'linters',
    'node24',
    ...runtimes.filter((name) => name !== 'bun' && name !== 'deno'),
  ])
  await run([...denoCommand(), 'publish', '--dry-run', '--allow-dirty'], {
    cwd: writeJsrPackage(join(folder, 'jsr/')),
  })
  say('checked    deno publish --dry-run: nothing to say')
  for (const line of await lintPackage(`${DIST}tritune`, folder)) say(`checked    ${line}`)
  await using registry = await startRegistry(join(folder, 'registry'), [
    'tritune',
    '@tritune/*',
    PLUGIN_NAMES,
  ])
  for (const one of packages) await registry.publish(one)
  const author = await startAuthor(join(folder, 'author'), registry)
  for (const kind of PLUGINS) {
    const plugin = await author.generate(kind)
    await author.install(plugin)
    await author.publish(plugin)
  }
  say(`published  ${packages.length} packages, and plugins by create-plugin: ${PLUGINS.join(', ')}`)

  const outcomes = new Map<RuntimeName, Outcome>()
  for (const name of runtimes) {
    const project = join(folder, name)
    mkdirSync(project)
    const outcome = await useAsStranger(project, clientRuntime(name), registry.url)
    outcomes.set(name, outcome)
    say(describe(name, outcome))
  }
  const problems = problemsOf(outcomes)
  if (problems.length > 0)
    throw new TrituneError('E_DATA', `the rehearsal failed:\n  ${problems.join('\n  ')}`, {
      remedy: 'run it with --keep and look at the projects',
    })
  const [{ losses }] = outcomes.values()
  say(`same       loss ${losses.at(-1)} after ${losses.length} steps, text and merged weights in all of them`)
  say(`time       ${((performance.now() - began) / 1000).toFixed(0)} s`)
}

function describe(name: RuntimeName, { runtime, losses, bytes, bytesWithCuda, seconds }: Outcome): string {
  const sizes = `${megabytes(bytes)}, with GPU libraries ${megabytes(bytesWithCuda)}`
  return `${name.padEnd(10)} ${runtime}: loss ${losses.at(-1)}; ${sizes}; installed in ${seconds.install.toFixed(1)} s, trained in ${seconds.train.toFixed(1)} s`
}

function problemsOf(outcomes: ReadonlyMap<RuntimeName, Outcome>): string[] {
  const problems: string[] = []
  const [first, ...others] = outcomes
  for (const [name, { runtime, losses, text, merged, bytes, bytesWithCuda }] of [first, ...others]) {
    if (!runtime.toLowerCase().replace(' ', '').startsWith(name))
      problems.push(`${name}: it ran on ${runtime}`)
    if (losses.length === 0) problems.push(`${name}: the run wrote no loss`)
    if (losses.join() !== first[1].losses.join()) problems.push(`${name}: other losses than ${first[0]}`)
    if (text !== first[1].text) problems.push(`${name}: another text than ${first[0]}: ${text}`)
    if (merged !== first[1].merged) problems.push(`${name}: other merged weights than ${first[0]}`)
    if (bytes > LARGEST.plain)
      problems.push(`${name}: ${megabytes(bytes)} installed, at most ${megabytes(LARGEST.plain)}`)
    if (bytesWithCuda > LARGEST.withCuda)
      problems.push(
        `${name}: ${megabytes(bytesWithCuda)} with GPU libraries, at most ${megabytes(LARGEST.withCuda)}`,
      )
  }
  return problems
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
