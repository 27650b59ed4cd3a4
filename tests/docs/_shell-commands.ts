/** The commands of tritune in shell blocks, and what is wrong with them: a name, an option or a number of arguments that is not so. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { findCommand } from '../../scripts/commands/table.ts'
import { pluginNames } from '../../scripts/create-plugin/names.ts'
import { packageJson } from '../../scripts/create-plugin/package-json.ts'

const ROOT = join(import.meta.dir, '../..')
const SCRIPTS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(ROOT, 'package.json'), 'utf8'),
).scripts

/** The scripts of a package that create-plugin makes. */
const PACKAGE_SCRIPTS = Object(
  Reflect.get(
    packageJson({
      names: pluginNames('tritune-plugin-mine'),
      kind: 'adapter',
      version: '1.0.0',
      author: null,
    }),
    'scripts',
  ),
)

export interface ShellCommand {
  /** After `cd`: a script of a plugin's package, not of tritune. */
  readonly elsewhere: boolean
  /** `finetune` of `bun run finetune` and of `bunx tritune finetune`; a path for `bun scripts/….ts`. */
  readonly name: string
  readonly args: readonly string[]
}

/** What starts tritune, as words; the name of the command follows. */
const STARTS: readonly (readonly string[])[] = [
  ['bun', 'run'],
  ['tritune'],
  ['bunx', 'tritune'],
  ['npx', 'tritune'],
  ['bun', 'x', 'tritune'],
  ['deno', 'run', '-A', 'npm:tritune'],
  ['npx', '--yes', '--allow-scripts=bun', 'bun@1.4.5', 'run'],
]

/** The commands of a block that are tritune's, in their order. */
export function commandsOf(code: string, elsewhere = false): ShellCommand[] {
  const lines = code
    .replace(/\\\n/g, ' ')
    .replace(/\{\{\w+\}\}/g, '')
    .replace(/<[^<>\n]*>/g, '<x>')
    .split('\n')
  let isElsewhere = elsewhere
  return lines.flatMap((line) =>
    splitCommands(line).flatMap((words) => {
      isElsewhere ||= words[0] === 'cd' && words[1]?.startsWith('tritune-plugin-')
      return commandIn(words).map((command) => ({ ...command, elsewhere: isElsewhere && words[1] === 'run' }))
    }),
  )
}

/** One sentence for each fault. */
export async function faultsOf({ name, args, elsewhere }: ShellCommand): Promise<string[]> {
  if (elsewhere)
    return Object.hasOwn(PACKAGE_SCRIPTS, name) ? [] : [`the package of a plugin has no script ${name}`]
  if (name.endsWith('.ts'))
    return existsSync(join(ROOT, name)) ? optionFaults(name, args) : [`there is no ${name}`]
  const entry = findCommand(name)
  if (entry === undefined) {
    if (!Object.hasOwn(SCRIPTS, name)) return [`there is no command ${name}`]
    return optionFaults(SCRIPTS[name].split(' ')[1], args)
  }
  const { options, positionals } = await entry.load()
  if (args.includes('--help')) return []
  try {
    const given = parseArgs({ args: [...args], options, allowPositionals: true, strict: true }).positionals
    if (args.includes('…') || (given.length >= positionals.min && given.length <= positionals.max)) return []
    return [`${name} takes ${positionals.min} to ${positionals.max} arguments, not ${given.length}`]
  } catch (error) {
    return [`${name}: ${error instanceof Error ? error.message : String(error)}`]
  }
}

/** A script without a table of options names them in its source, or in that of the modules beside it that it imports. */
function optionFaults(script: string, args: readonly string[]): string[] {
  const text = sourcesOf(script)
  return args
    .filter((word) => word.startsWith('--'))
    .map((word) => word.slice(2).split('=')[0])
    .filter((option) => !new RegExp(`--${option}\\b|\\b'?${option}'?: \\{ ?type:`).test(text))
    .map((option) => `${script} has no option --${option}`)
}

function sourcesOf(script: string): string {
  const source = readFileSync(join(ROOT, script), 'utf8')
  const folder = join(dirname(script), script.replace(/^.*\/|\.ts$/g, ''))
  const beside = existsSync(join(ROOT, folder))
    ? readdirSync(join(ROOT, folder)).filter((file) => file.endsWith('.ts'))
    : []
  return [source, ...beside.map((file) => readFileSync(join(ROOT, folder, file), 'utf8'))].join('\n')
}

function commandIn(words: readonly string[]): Pick<ShellCommand, 'name' | 'args'>[] {
  const from = words.findIndex((word) => !/^\w+=/.test(word)) // variables of the environment stand before
  const own = words.slice(Math.max(0, from))
  const start = STARTS.find((start) => start.every((word, at) => own[at] === word))
  if (start !== undefined) {
    const [name, ...args] = own.slice(start.length)
    return name === undefined || name === '…' ? [] : [{ name, args }]
  }
  if (own[0] === 'bun' && own[1]?.endsWith('.ts')) return [{ name: own[1], args: own.slice(2) }]
  return []
}

/** Words of each command of a line, without comments, redirections and quotes. */
function splitCommands(line: string): string[][] {
  const words = [...line.matchAll(/#.*$|"([^"]*)"|'([^']*)'|[^\s"'#]+/g)]
  const commands: string[][] = [[]]
  let skip = false
  for (const [word, double, single] of words) {
    const quoted = double ?? single
    if (quoted === undefined && word.startsWith('#')) break
    if (quoted === undefined && /^(&&|\|\|?|;)$/.test(word)) commands.push([])
    else if (skip) skip = false
    else if (quoted === undefined && /^\d?>>?$/.test(word)) skip = true
    else commands.at(-1)?.push(quoted ?? word)
  }
  return commands.filter((command) => command.length > 0)
}
