/**
 * Completions for zsh (`#compdef`, `_arguments`, `_describe`).
 */
import type { CommandWords, OptionWords } from './command-words.ts'

export function zshCompletions(commands: readonly CommandWords[]): string {
  const described = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`)
  return `#compdef tritune
# Completions of tritune for zsh, printed by \`tritune completions zsh\`.
_tritune() {
  local -a commands
  commands=(
${described.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${commands.map(commandCase).join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _tritune "$@"; else compdef _tritune tritune; fi
`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function commandCase({ name, options, choices }: CommandWords): string {
  const rest = `'*:argument:${action(choices)}'`
  return `    ${name}) _arguments ${[...options.map(optionSpec), rest].join(' ')} ;;`
}

/** Any option may come again; what may not is told by the command itself. */
function optionSpec({ name, description, takesValue, choices }: OptionWords): string {
  const told = description.replace(/[[\]\\:]/g, '\\$&')
  return quote(`*--${name}[${told}]${takesValue ? `:${name}:${action(choices)}` : ''}`)
}

function action(choices: readonly string[] | null): string {
  return choices === null ? '_files' : `(${choices.join(' ')})`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
