/**
 * What can be typed after `tritune`: commands, their options with descriptions, and the values of those that have a few.
 *
 * Descriptions are those of the help texts; an option that no help text has (one for tritune itself) is not completed.
 */
import { type AnyCommand, showHelp } from '../_cli.ts'
import { COMMANDS } from '../commands/table.ts'

export interface CommandWords {
  readonly name: string
  readonly summary: string
  readonly options: readonly OptionWords[]
  /** Of the arguments that are no options; null: files. */
  readonly choices: readonly string[] | null
}

export interface OptionWords {
  /** Without dashes. */
  readonly name: string
  readonly description: string
  readonly takesValue: boolean
  /** null: anything, completed as a file. */
  readonly choices: readonly string[] | null
}

/** All commands, and `help` with their names. */
export async function describeCommands(): Promise<CommandWords[]> {
  const commands = await Promise.all(
    COMMANDS.map(async ({ name, summary, load }) => describeCommand(name, summary, await load())),
  )
  const names = COMMANDS.map(({ name }) => name)
  return [
    ...commands,
    { name: 'help', summary: 'tell the options of a command', options: [], choices: names },
  ]
}

export function describeCommand(name: string, summary: string, command: AnyCommand): CommandWords {
  const described = optionLines(showHelp(command))
  const options = Object.entries(command.options).flatMap(([option, { type }]): OptionWords[] => {
    const description = described.get(option)
    if (description === undefined) return []
    const choices = command.choices?.[option] ?? COMMON_CHOICES[option] ?? null
    return [{ name: option, description, takesValue: type === 'string', choices }]
  })
  const help: OptionWords = { name: 'help', description: 'this text', takesValue: false, choices: null }
  return { name, summary, options: [...options, help], choices: command.choices?.[''] ?? null }
}

/** The options of a help text, by name. */
export function optionLines(help: string): ReadonlyMap<string, string> {
  const lines = help.matchAll(/^ {2}--([a-z][a-z0-9-]*)(?: \S+)* {2,}(\S.*)$/gm)
  return new Map([...lines].map(([, name, description]) => [name, description]))
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The same for every command. */
const COMMON_CHOICES: Readonly<Record<string, readonly string[]>> = {
  device: ['auto', 'cpu', 'wasm', 'cuda'],
  dtype: ['f32', 'bf16'],
}
