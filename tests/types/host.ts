/**
 * Type tests: only the compiler reads this file. Every `@ts-expect-error` must be one, or `tsc` fails.
 */
import {
  type AdapterDefinition,
  createHost,
  definePlugin,
  type Host,
  type ModelDefinition,
  type MonitorDefinition,
  type NamesOf,
  type Plugin,
} from '../../core/mod.ts'
import { models } from '../../plugins/models/mod.ts'
import type { METHODS } from '../../plugins/peft/methods/methods.ts'
import { peft } from '../../plugins/peft/mod.ts'

/** Compiles only when both types are the same. */
function same<A, B>(
  _same: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never,
): void {}

declare const quiet: MonitorDefinition
declare const loud: MonitorDefinition
declare const isDebug: boolean

// ---- definePlugin keeps names literal -----------------------------------------------------------------------------

const monitors = definePlugin({ name: 'monitors', provides: { monitor: { quiet, loud } } })
same<typeof monitors.name, 'monitors'>(true)
same<keyof typeof monitors.provides.monitor, 'quiet' | 'loud'>(true)

// @ts-expect-error: a plugin has a name
definePlugin({ provides: { monitor: { quiet } } })

// @ts-expect-error: there is no such kind of capability
definePlugin({ name: 'x', provides: { monitors: { quiet } } })

// @ts-expect-error: a monitor is not an adapter
definePlugin({ name: 'x', provides: { adapter: { quiet } } })

// @ts-expect-error: a requirement is `kind:name`
definePlugin({ name: 'x', requires: ['lora'] })

// @ts-expect-error: there is no such kind of capability
definePlugin({ name: 'x', requires: ['adaptor:lora'] })

// ---- createHost knows the names of its plugins --------------------------------------------------------------------

const host = createHost({ plugins: [peft, monitors, isDebug && models, null, undefined] })

const adapter = host.get('adapter', 'lora')
same<typeof adapter.name, string>(true)
host.get('monitor', 'quiet')

// @ts-expect-error: nobody provides it
host.get('adapter', 'lorra')

// @ts-expect-error: lora is an adapter
host.get('monitor', 'lora')

// @ts-expect-error: no plugin of this host has optimizers
host.get('optimizer', 'adamw')

// @ts-expect-error: not a kind
host.get('adaptor', 'lora')

// ---- find takes names from files ----------------------------------------------------------------------------------

const found: ModelDefinition = host.find('model', 'anything')
same<typeof found, ModelDefinition>(true)

// @ts-expect-error: what find gives depends on the kind
const wrong: ModelDefinition = host.find('monitor', 'quiet')

// ---- NamesOf ------------------------------------------------------------------------------------------------------

same<NamesOf<readonly [typeof peft, typeof monitors], 'monitor'>, 'quiet' | 'loud'>(true)
same<NamesOf<readonly [typeof peft, typeof monitors], 'adapter'>, keyof typeof METHODS>(true)
same<NamesOf<readonly [typeof monitors, false, null], 'adapter'>, never>(true)

// ---- a host in general --------------------------------------------------------------------------------------------

/** What a plugin's setup gets: names are not known there. */
function inSetup(general: Host): AdapterDefinition<never>['name'] {
  // @ts-expect-error: names come from find()
  general.get('adapter', 'lora')
  return general.find('adapter', 'lora').name
}

const live: Plugin = definePlugin({
  name: 'live',
  setup: (general) => ({ [Symbol.dispose]: () => void inSetup(general) }),
})

// @ts-expect-error: what setup starts must be disposable
definePlugin({ name: 'x', setup: () => 1 })

export { found, live, wrong }
