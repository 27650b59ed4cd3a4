/**
 * What holds on POSIX systems only must not stand in code that runs on Windows: paths taken apart at `/`, URLs taken for paths, variables and
 * folders that are not there. Each exception says why it is none.
 */
import { expect, test } from 'bun:test'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/_setup.ts'

const SUSPECT: readonly RegExp[] = [
  /\.split\((['"`])\/\1\)/,
  /\.(?:lastIndexOf|indexOf|startsWith|endsWith)\((['"`])\/\1\)/,
  // Of a file URL it is no path on Windows: /C:/…
  /new URL\([^)]*\)\.pathname/,
  /['"`]file:\/\/(?:\$\{|['"`] *\+)/,
  /env(?:\.HOME\b|\[['"]HOME['"]\])/,
  /['"`]\/(?:tmp|dev|proc|etc|usr|var)\//,
  /\bchmod(?:Sync)?\(/,
  // A rename over a file that somebody has open: core/files/rename.ts.
  /\brenameSync\(/,
]

/** Folders that the people who use tritune run. */
const RUN = [
  'mod.ts',
  'core/**/*.ts',
  'plugins/**/*.ts',
  'testing/**/*.ts',
  'bench/**/*.ts',
  'scripts/{*,commands/*,doctor/*,init/*,finetune/*,create-plugin/*,runs/*,serve/*,monitor/*}.ts',
]

const FINE: Readonly<Record<string, string>> = {
  'core/install-command.ts': 'npm/10.2.4 of npm_config_user_agent',
  'core/invocation.ts': 'npm/10.2.4 of npm_config_user_agent',
  'core/native/available-memory.ts': 'asked on Linux and macOS only',
  'core/native/libc.ts': 'asked on Linux and macOS only',
  'plugins/distributed/join-world.ts': 'asked where it is there; elsewhere nobody knows',
  'plugins/distributed/end-launcher.ts': 'reads what Linux alone has; elsewhere there is nothing',
  'plugins/data/files/dataset-splits.ts': 'gets names with /, which dataset-files.ts makes',
  'plugins/export/export-source.ts': 'names of models',
  'plugins/hub/api.ts': 'paths in a repository of the hub',
  'plugins/hub/fetch-files.ts': 'paths in a repository of the hub',
  'plugins/hub/headers.ts': 'paths in a repository of the hub',
  'plugins/hub/model-card.ts': 'names of models',
  'plugins/hub/push.ts': 'names of models',
  'plugins/hub/reference.ts': 'names of models',
  'plugins/hub/request.ts': 'names of models',
  'plugins/gguf/lora.ts': 'names of models',
  'plugins/generate/json-schema/schema-grammar.ts': 'a pointer of JSON Schema',
  'plugins/http/routes.ts': 'paths of addresses',
  'plugins/http/server.ts': 'paths of addresses',
  'scripts/stream-memory.ts': 'a measurement on Linux',
  'scripts/create-plugin/names.ts': 'names of packages',
}

test('nothing that runs on Windows takes paths apart at / or renames without patience', () => {
  const files = globSync(RUN, { cwd: ROOT }).map((file) => file.replaceAll('\\', '/'))
  expect(files.length).toBeGreaterThan(300)
  const found = files.flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .filter((line) => !/^\s*(?:\*|\/\/|\/\*)/.test(line) && SUSPECT.some((pattern) => pattern.test(line)))
      .map((line) => ({ file, line: line.trim() })),
  )
  const unknown = found.filter(({ file }) => !Object.hasOwn(FINE, file))
  expect(unknown).toEqual([])
  const needless = Object.keys(FINE).filter((name) => !found.some(({ file }) => file === name))
  expect(needless).toEqual([])
})
