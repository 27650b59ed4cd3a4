/**
 * Completions for bash (`complete -F`): no other package is needed, bash 3.2 is enough. Words stand one
 * a line, so that names of files may have spaces.
 */
import type { CommandWords } from './command-words.ts'

export function bashCompletions(commands: readonly CommandWords[]): string {
  return `# Completions of tritune for bash, printed by \`tritune completions bash\`.
_tritune() {
  local IFS=$'\\n' word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    ${reply([...commands.map(({ name }) => name), '--help', '--version'])}
    return
  fi
  case "\${COMP_WORDS[1]} $before" in
${commands.flatMap(valueCases).join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${commands.map(commandCase).join('\n')}
  esac
}
complete -o filenames -F _tritune tritune
`
}

// ---- helpers ----------------------------------------------------------------------------------------------------

function valueCases({ name, options }: CommandWords): string[] {
  return options
    .filter(({ takesValue }) => takesValue)
    .map((option) => `    '${name} --${option.name}') ${reply(option.choices)}; return ;;`)
}

/** Options where a dash is typed, else arguments. */
function commandCase({ name, options, choices }: CommandWords): string {
  const words = options.map((option) => `--${option.name}`)
  return `    ${name}) if [[ $word == -* ]]; then ${reply(words)}; else ${reply(choices)}; fi ;;`
}

function reply(words: readonly string[] | null): string {
  const source = words === null ? '-f' : `-W $'${words.join('\\n')}'`
  return `COMPREPLY=($(compgen ${source} -- "$word"))`
}
