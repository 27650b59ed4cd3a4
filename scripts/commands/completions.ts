/**
 * Prints completions for a shell, made from the table of commands and the options of each. Thin: see completions/.
 */
import { didYouMean, TrituneError } from '../../core/errors.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { out } from '../terminal/streams.ts'
import { bashCompletions } from '../completions/bash.ts'
import { describeCommands, type CommandWords } from '../completions/command-words.ts'
import { fishCompletions } from '../completions/fish.ts'
import { zshCompletions } from '../completions/zsh.ts'

const SHELLS: Readonly<Record<string, (commands: readonly CommandWords[]) => string>> = {
  bash: bashCompletions,
  zsh: zshCompletions,
  fish: fishCompletions,
}

const help = (): string => `Print completions of the command \`tritune\` for a shell.

  ${invocation('completions')} <bash|zsh|fish>

  bash   ${invocation('completions bash')} > ~/.local/share/bash-completion/completions/tritune
  zsh    ${invocation('completions zsh')} > "\${fpath[1]}/_tritune"      (a folder of $fpath)
  fish   ${invocation('completions fish')} > ~/.config/fish/completions/tritune.fish

  --help   this text
`

const OPTIONS = {} as const

export const completions: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 1, max: 1, missing: `name a shell: ${Object.keys(SHELLS).join(', ')}` },
  options: OPTIONS,
  choices: { '': Object.keys(SHELLS) },
  async run({ positionals: [shell] }) {
    if (!Object.hasOwn(SHELLS, shell))
      throw new TrituneError('E_USAGE', `there are no completions for "${shell}"`, {
        remedy: didYouMean(shell, Object.keys(SHELLS)),
      })
    out.write(SHELLS[shell](await describeCommands()))
  },
}
