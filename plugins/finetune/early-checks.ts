/**
 * What a run's file asks for, found and checked at once: plugins, parts, adapter, datasets, folders, device. Everything that
 * can be known before the model is there; one `ConfigError` tells every fault.
 */
import { Disposables } from '../../core/disposables.ts'
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import {
  type Capabilities,
  ConfigError,
  type ConfigFailure,
  createHost,
  type Device,
  type Host,
  inPlugin,
  type Plugin,
  TrituneError,
} from '../../core/mod.ts'
import { invocation } from '../../core/invocation.ts'
import { isDeviceName, openDevice, type OpenedDevice } from '../cuda/mod.ts'
import { checkChatTemplate, datasetFiles, datasetTypeOf, isHubDataset } from '../data/mod.ts'
import { builtInPlugins } from './plugins/built-in-plugins.ts'
import { listCheckpoints } from '../../core/files/checkpoint-folders.ts'
import {
  type FinetuneConfig,
  placeInConfig,
  readablePart,
  type ReadFinetuneOptions,
} from './config/config.ts'
import { collectFaults, type Faults } from './config/faults.ts'
import { expectOwnNames, type LoadedPlugin, loadPlugins, originsOf } from './plugins/load-plugins.ts'
import { chooseAdapter, type OpenAdapter } from './model/open-adapter.ts'
import { checkOutputDir } from './checkpoints/output-dir.ts'
import { exampleKind, findParts, type Parts } from './training/parts.ts'
import { orOfPlugin } from './plugins/plugin-remedy.ts'
import { STATE_FILE } from './checkpoints/training-state.ts'

export interface EarlyChecks {
  /** Given away: whoever asked disposes it. */
  readonly host: Host
  readonly plugins: readonly LoadedPlugin[]
  readonly parts: Parts
  readonly openAdapter: OpenAdapter
  readonly opened: OpenedDevice
}

export interface EarlyChecksOptions {
  readonly plugins: readonly Plugin[]
  readonly device: Device | undefined
  /** Among the processes of this machine; default 0. */
  readonly process?: number
}

/** `checkEarly()` for its errors alone. */
async function checkRun(config: FinetuneConfig): Promise<void> {
  const { host } = await checkEarly(config, { plugins: [], device: undefined })
  host[Symbol.dispose]()
}

/** The error of a file that was refused, and with it the faults of the keys that are right in themselves. */
export async function withOtherFaults(
  error: unknown,
  text: string,
  file: string,
  options: ReadFinetuneOptions,
): Promise<unknown> {
  const part = readablePart(error, text, file, options)
  if (part === null) return error
  return placeInConfig(await besideOthers(error, part.config, part.wrong), text, file, options)
}

/** An error, and with it the faults of the other keys than those that it is about. */
export async function besideOthers(
  error: unknown,
  config: FinetuneConfig,
  told: ReadonlySet<string>,
): Promise<unknown> {
  if (!(error instanceof ConfigError)) return error
  try {
    await checkRun(config)
    return error
  } catch (more) {
    if (!(more instanceof ConfigError)) return error
    const others = more.failures.filter(({ path }) => !told.has(String(path[0])))
    return new ConfigError([...error.failures, ...others])
  }
}

/** Throws a `ConfigError` with all faults, without those that only follow from a plugin that could not be loaded. */
export async function checkEarly(
  config: FinetuneConfig,
  { plugins: more, device: given, process = 0 }: EarlyChecksOptions,
): Promise<EarlyChecks> {
  const faults = collectFaults()
  using open = new Disposables()
  faults.check(['output_dir'], () => checkOutputDir(config.output_dir))
  const plugins = await loadAll(config, faults)
  const isComplete = plugins.failed === 0
  const fromFile = plugins.loaded.map(({ plugin }) => plugin)
  const makeHost = (): Host => {
    expectOwnNames(plugins.loaded)
    return createHost({
      plugins: [...builtInPlugins, ...more, ...fromFile],
      origins: originsOf(plugins.loaded),
    })
  }
  const host = fromFile.length > 0 ? faults.check(['plugins'], makeHost) : makeHost()
  if (host) open.use(host)
  const parts = host && faults.check([], () => findParts(config, host))
  const openAdapter = host && faults.check([], () => chooseAdapter(config, host))
  checkDatasets(config, host, faults)
  faults.check(['chat_template_jinja'], () => checkChatTemplate(config))
  faults.check(['resume_from_checkpoint'], () => checkResumeFolder(config))
  const opened = faults.check([], () =>
    given ? { device: given, reason: null, note: null } : openRunDevice(config, host, process),
  )
  faults.throwIfAny((failure) => isComplete || !isUnknownName(failure))
  if (!host || !parts || !openAdapter || !opened) throw new Error('a check failed without a fault')
  open.move()
  return { host, plugins: plugins.loaded, parts, openAdapter, opened }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

async function loadAll(
  { plugins, folder }: FinetuneConfig,
  faults: Faults,
): Promise<{ readonly loaded: readonly LoadedPlugin[]; readonly failed: number }> {
  const loaded = new Map<Plugin, LoadedPlugin>()
  let failed = 0
  for (const [i, specifier] of plugins.entries()) {
    const found = await faults.checkAsync(['plugins', i], () =>
      loadPlugins([specifier], { from: folder ?? undefined }),
    )
    if (found === undefined) failed++
    for (const each of found ?? []) loaded.set(each.plugin, each)
  }
  return { loaded: [...loaded.values()], failed }
}

/** A name that nobody provides: the plugin that is not there may be who does. */
function isUnknownName({ code, what }: ConfigFailure): boolean {
  return code === 'E_NAME' || UNKNOWN_NAME.test(what)
}

const UNKNOWN_NAME =
  /^there is no (optimizer|transform|objective|strategy|monitor|sampler|quantizer|dataset type) "/

/** Types and files of all of them, before anything is downloaded. */
function checkDatasets(config: FinetuneConfig, host: Host | undefined, faults: Faults): void {
  const kind = host && exampleKind(config, host)
  for (const key of ['datasets', 'test_datasets'] as const) {
    config[key].forEach((options, index) => {
      if (host) faults.check([key, index], () => datasetTypeOf(options, host.all('dataset'), kind))
      const files = options.data_files.length > 0 ? 'data_files' : 'path'
      faults.check([key, index, files], () => isHubDataset(options.path) || datasetFiles(options))
    })
  }
}

function checkResumeFolder({ resume_from_checkpoint: folder, output_dir }: FinetuneConfig): void {
  if (folder === null || existsSync(join(folder, STATE_FILE)) || isMovedAside(folder)) return
  const what = existsSync(folder)
    ? `there is no checkpoint in ${folder}: ${STATE_FILE} is missing`
    : `there is no folder ${folder}`
  const newest = existsSync(output_dir) ? listCheckpoints(output_dir).at(-1)?.folder : undefined
  throw new TrituneError('E_RESUME', what, {
    remedy:
      newest === undefined
        ? `name the folder of a checkpoint (checkpoint-<step>), or leave it out; paths start at ${process.cwd()}`
        : `the newest checkpoint of output_dir is ${newest}; paths start at ${process.cwd()}`,
  })
}

/** A killed writer left it under another name; who resumes puts it back. */
function isMovedAside(folder: string): boolean {
  const target = resolve(folder)
  const parent = dirname(target)
  if (existsSync(target) || !existsSync(parent)) return false
  return readdirSync(parent).some((name) => name.startsWith(`.${basename(target)}.old-`))
}

/** A GPU that was asked for and cannot be used is a mistake in the line that asks for it. */
function openRunDevice(
  { device, threads }: FinetuneConfig,
  host: Host | undefined,
  process: number,
): OpenedDevice | undefined {
  if (!isDeviceName(device)) return host && openPluginDevice(device, threads ?? 0, host)
  try {
    return openDevice(device, { threads: threads ?? 0, process })
  } catch (error) {
    if (!(error instanceof TrituneError) || !device.startsWith('cuda')) throw error
    const [what] = error.message.split('\n')
    const remedy = `${error.remedy ?? `see ${invocation('doctor')}`}; or set device: cpu`
    throw new ConfigError([{ path: ['device'], what, remedy }])
  }
}

/** A device that a plugin provides. */
function openPluginDevice(name: string, threads: number, host: Host): OpenedDevice {
  let definition: Capabilities['device']
  try {
    definition = host.find('device', name)
  } catch (error) {
    if (!(error instanceof TrituneError) || error.code !== 'E_NAME') throw error
    const [what] = error.message.split('\n')
    throw new ConfigError([{ path: ['device'], what, code: 'E_NAME', remedy: orOfPlugin(error.remedy) }])
  }
  const device = inPlugin(`the device ${name}`, () => definition.open({ threads }))
  return { device, reason: null, note: null }
}
