/**
 * Uploads an adapter or a model to the hub. Thin: reads arguments, calls plugins/hub, prints.
 */
import { readFileSync } from 'node:fs'
import { TrituneError } from '../../core/errors.ts'
import { fileError } from '../../core/files/files.ts'
import { invocation } from '../../core/invocation.ts'
import type { Command } from '../_cli.ts'
import { ensureInstalled } from '../_setup.ts'

const help = (): string => `Upload an adapter or a model to the Hugging Face hub.

  ${invocation('push')} <folder> <org/name> [options]

  <folder>              output_dir of a run, folder of an adapter, or of a merged model
  <org/name>            the repository; it is made when it is not there
  --private             only into a private repository
  --revision <branch>   default main; it is made when it is not there
  --message <text>      title of the commit
  --create-pr           as a pull request, for a repository of others
  --license <id>        for the model card, such as apache-2.0
  --token-file <file>   default: HF_TOKEN, then the file that \`hf auth login\` wrote
  --dry-run             list what would be sent, ask nobody
  --help                this text

Checkpoints, temporary and hidden files stay here. A README.md is written where the folder has none. Everything comes in one
commit, and its sizes and hashes are read back.
`

const OPTIONS = {
  private: { type: 'boolean' },
  revision: { type: 'string' },
  message: { type: 'string' },
  'create-pr': { type: 'boolean' },
  license: { type: 'string' },
  'token-file': { type: 'string' },
  'dry-run': { type: 'boolean' },
} as const

export const push: Command<typeof OPTIONS> = {
  help,
  positionals: { min: 2, max: 2, missing: 'name a folder and a repository' },
  output: (argv) => (argv.includes('--dry-run') ? 'result' : 'report'),
  options: OPTIONS,
  async run({ positionals: [folder, repo], values }) {
    const { license, revision, message } = values
    if (license !== undefined && !/^[a-z0-9.-]+$/.test(license))
      throw new TrituneError(
        'E_USAGE',
        `--license: expected an identifier such as apache-2.0, got "${license}"`,
      )
    if (values['create-pr'] && values.private)
      throw new TrituneError('E_USAGE', '--create-pr makes no repository, so --private says nothing')
    const file = values['token-file']
    const token = file === undefined ? undefined : readToken(file)
    await ensureInstalled()
    const { pushCommand } = await import('./bodies/push.ts')
    await pushCommand({
      folder,
      repo,
      license,
      dryRun: values['dry-run'] ?? false,
      options: {
        ...(token === undefined ? {} : { token }),
        ...(revision === undefined ? {} : { revision }),
        ...(message === undefined ? {} : { message }),
        ...(values.private ? { private: true } : {}),
        ...(values['create-pr'] ? { createPr: true } : {}),
      },
    })
  },
}

function readToken(file: string): string {
  try {
    const token = readFileSync(file, 'utf8').trim()
    if (token !== '') return token
  } catch (error) {
    throw fileError(error, file, 'cannot read the access token')
  }
  throw new TrituneError('E_FILE', 'there is no access token in this file', { place: file })
}
