/**
 * Completions for fish (`complete -c`).
 */
import type { CommandWords, OptionWords } from './command-words.ts'

export function fishCompletions(commands: readonly CommandWords[]): string {
  const lines = commands.flatMap((command) => [
    `complete -c tritune -n __fish_use_subcommand -f -a ${command.name} -d ${quote(command.summary)}`,
    ...command.options.map((option) => optionLine(command.name, option)),
    ...(command.choices === null
      ? []
      : [
          `complete -c tritune -n '__fish_seen_subcommand_from ${command.name}' -f -a ${quote(command.choices.join(' '))}`,
        ]),
  ])
  return `# Completions of tritune for fish, printed by \`tritune completions fish\`.\n${lines.join('\n')}\n`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function optionLine(command: string, { name, description, takesValue, choices }: OptionWords): string {
  const value = !takesValue ? '' : choices === null ? ' -r -F' : ` -x -a ${quote(choices.join(' '))}`
  return `complete -c tritune -n '__fish_seen_subcommand_from ${command}' -l ${name} -d ${quote(description)}${value}`
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}
