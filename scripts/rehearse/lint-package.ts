/**
 * What publint and "Are the types wrong?" say about a package. https://publint.dev, https://arethetypeswrong.github.io
 */
import { run } from './run.ts'
import { toolModules } from './tools.ts'

/** One line for each; throws E_DATA with what they found. ES modules are all there is, so CommonJS is not asked about. */
export async function lintPackage(folder: string, workFolder: string): Promise<string[]> {
  const modules = toolModules('linters')
  const at = { cwd: workFolder }
  await run([process.execPath, `${modules}/publint/src/cli.js`, 'run', folder, '--strict'], at)
  const packed = await run(['npm', 'pack', folder, '--pack-destination', workFolder, '--silent'], at)
  const archive = packed.trim().split('\n').at(-1) ?? ''
  const attw = `${modules}/@arethetypeswrong/cli/dist/index.js`
  await run([process.execPath, attw, archive, '--profile', 'esm-only', '--format', 'ascii'], at)
  return ['publint: nothing to say', '@arethetypeswrong/cli: nothing to say']
}
