/**
 * `tritune <command> …`: finds the command, or tells what there is.
 */
import { existsSync } from 'node:fs'
import { didYouMean, TrituneError } from '../core/errors.ts'
import { invocation, packageVersion } from '../core/invocation.ts'
import { reportError, runCommand, showHelp } from './_cli.ts'
import { COMMANDS, findCommand, TOPICS, type Topic } from './commands/table.ts'
import { ownFile } from './init/own-file.ts'
import { ROOT } from './_setup.ts'
import { out, survive } from './terminal/streams.ts'

export async function dispatch(argv: readonly string[]): Promise<void> {
  const [first, ...rest] = argv
  try {
    if (first === '--version' || first === '-v' || first === '-V') say(`${packageVersion()}\n`)
    else if (first === undefined || first === '--help' || first === '-h') say(overview())
    else if (first === 'help') await help(rest)
    else await runCommand(await commandOf(first), rest)
  } catch (error) {
    reportError(error)
  }
}

/** The list of commands, by topic. */
export function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length))
  const topics = (Object.keys(TOPICS) as Topic[]).flatMap((topic) => {
    const lines = COMMANDS.filter((entry) => entry.topic === topic).map(
      ({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`,
    )
    return lines.length > 0 ? [`${TOPICS[topic]}:`, ...lines, ''] : []
  })
  return `tritune ${packageVersion()}: fine-tune language models from TypeScript

  ${invocation('<command>')} [options]

${topics.join('\n')}
${invocation('<command>')} --help tells the options of a command.
Read: ${pages().join(', ')}
`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const PAGES: Readonly<Record<string, string>> = {
  'README.md': '',
  'docs/command.md': ' (every command, --json)',
  'docs/yaml.md': ' (the keys of a run)',
  'docs/plugins.md': ' (a plugin of your own)',
}

/** Those that are here: a package has not all that a checkout has. */
function pages(): string[] {
  return Object.entries(PAGES).flatMap(([path, about]) =>
    existsSync(ROOT + path) ? [ownFile(path) + about] : [],
  )
}

function say(text: string): void {
  survive('result')
  out.write(text)
}

async function help([name, ...more]: readonly string[]): Promise<void> {
  if (name === undefined) return say(overview())
  if (more.length > 0)
    throw new TrituneError('E_USAGE', `help takes one command, got ${more.length + 1}`, {
      remedy: `for example ${invocation(`${name} --help`)}`,
    })
  const command = await commandOf(name)
  say(showHelp(command))
}

async function commandOf(name: string): ReturnType<(typeof COMMANDS)[number]['load']> {
  const entry = findCommand(name)
  if (entry) return await entry.load()
  if (name.startsWith('-'))
    throw new TrituneError('E_USAGE', `unknown option ${name}`, {
      remedy: `options come after the command: ${invocation('<command>')} ${name}`,
    })
  throw new TrituneError('E_USAGE', `there is no command "${name}"`, {
    remedy: didYouMean(
      name,
      COMMANDS.map((entry) => entry.name),
    ),
  })
}
