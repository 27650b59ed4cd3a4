/**
 * What run.json tells of a run besides its progress: its settings, model, adapter, data and device.
 */
import { basename, resolve } from 'node:path'
import type { JsonValue } from '../../../core/mod.ts'
import type { RunFacts } from '../../runs/mod.ts'
import type { FinetuneConfig } from '../config/config.ts'
import type { Run } from '../run.ts'

/** `command` is what was typed to start it. */
export function factsOfFolder(
  { config, adapter, device }: Pick<Run, 'config' | 'adapter' | 'device'>,
  command: string | null,
): RunFacts {
  return {
    name: basename(resolve(config.output_dir)),
    command: command === null ? null : withoutPasswords(command),
    config: settingsOf(config),
    model: config.base_model,
    adapter: adapter ? adapter.kind : null,
    dataset: [...new Set(config.datasets.map(({ path }) => path))],
    device: device.description,
  }
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** The settings as JSON, without what is no setting. */
function settingsOf({
  notes: _notes,
  given: _given,
  folder: _folder,
  trackers: _trackers,
  ...settings
}: FinetuneConfig): RunFacts['config'] {
  const plain: Record<string, JsonValue> = JSON.parse(
    JSON.stringify(settings, (_, value: unknown) =>
      typeof value === 'string' ? withoutPasswords(value) : value,
    ),
  )
  return plain
}

/** An address can have a name and a password in it; what is written into the folder is shown to many. */
function withoutPasswords(text: string): string {
  return text.replaceAll(/(\w:\/\/)[^/@\s]*@/g, '$1…@')
}
