import { describe, expect, test } from 'bun:test'
import * as v from 'valibot'
import {
  createHost,
  defineConfig,
  definePlugin,
  type Host,
  type MonitorDefinition,
  tensor,
  tensorScope,
  TrituneError,
  rmsNormForward,
} from '../../core/mod.ts'

const nothing = defineConfig(v.strictObject({}))

function monitor(name: string): MonitorDefinition<object> {
  return { name, options: nothing, create: () => ({ onEvent() {} }) }
}

const quiet = monitor('quiet')
const loud = monitor('loud')
const a = definePlugin({ name: 'a', provides: { monitor: { quiet } } })
const b = definePlugin({ name: 'b', provides: { monitor: { loud } } })

function errorOf(fn: () => unknown): TrituneError {
  try {
    fn()
  } catch (error) {
    if (error instanceof TrituneError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('createHost()', () => {
  test('`createHost()` gives what plugins provide, by identity', () => {
    using host = createHost({ plugins: [a, b] })
    expect(host.get('monitor', 'quiet')).toBe(quiet)
    expect(host.get('monitor', 'loud')).toBe(loud)
    expect(host.names('monitor')).toEqual(['quiet', 'loud'])
    expect(host.names('adapter')).toEqual([])
  })

  test('`createHost()` skips falsy entries', () => {
    const wanted = Number.parseInt('0', 10) > 0
    using host = createHost({ plugins: [false, a, null, undefined, wanted && b] })
    expect(host.plugins).toEqual([a])
    expect(host.names('monitor')).toEqual(['quiet'])
  })

  test('`createHost()` refuses a name that two plugins provide, and names both', () => {
    const again = definePlugin({ name: 'again', provides: { monitor: { quiet: loud } } })
    const error = errorOf(() => createHost({ plugins: [a, again] }))
    expect(error.code).toBe('E_PLUGIN')
    expect(error.message).toContain('monitor:quiet is provided by both a and again')
  })

  test('`createHost()` allows one name in two kinds', () => {
    const strategies = definePlugin({
      name: 's',
      provides: {
        strategy: {
          quiet: { name: 'quiet', options: nothing, create: () => ({ step: (_step, next) => next() }) },
        },
      },
    })
    using host = createHost({ plugins: [a, strategies] })
    expect(host.get('strategy', 'quiet').name).toBe('quiet')
    expect(host.get('monitor', 'quiet')).toBe(quiet)
  })

  test('`createHost()` refuses a plugin whose requirement nobody provides', () => {
    const needy = definePlugin({ name: 'needy', requires: ['monitor:loud'] })
    const error = errorOf(() => createHost({ plugins: [needy, a] }))
    expect(error.code).toBe('E_PLUGIN')
    expect(error.message).toContain('plugin needy needs monitor:loud')
    expect(error.remedy).toContain('needy, a')
  })

  test('`createHost()` takes a requirement from a plugin that comes later, or from the plugin itself', () => {
    const needy = definePlugin({
      name: 'needy',
      requires: ['monitor:loud', 'monitor:own'],
      provides: { monitor: { own: monitor('own') } },
    })
    using host = createHost({ plugins: [needy, b] })
    expect(host.plugins).toHaveLength(2)
  })
})

describe('Host.find()', () => {
  test('`find()` offers the nearest names', () => {
    using host = createHost({ plugins: [a, b] })
    const error = errorOf(() => host.find('monitor', 'quite'))
    expect(error.code).toBe('E_NAME')
    expect(error.message).toContain('there is no monitor "quite"')
    expect(error.remedy).toBe('did you mean "quiet"?')
  })
  test('`find()` lists what there is when nothing is near', () => {
    using host = createHost({ plugins: [a, b] })
    expect(errorOf(() => host.find('monitor', 'zzzzzzzzz')).remedy).toBe('known: quiet, loud')
  })
  test('`find()` says when there is none of this kind', () => {
    using host = createHost({ plugins: [a] })
    expect(errorOf(() => host.find('adapter', 'lora')).remedy).toBe('there are none')
  })
  test('`find()` does not take names of Object.prototype', () => {
    using host = createHost({ plugins: [a] })
    expect(errorOf(() => host.find('monitor', 'constructor')).code).toBe('E_NAME')
  })
})

describe('setup', () => {
  const log: string[] = []
  const started = (name: string, see: (host: Host) => void = () => {}) =>
    definePlugin({
      name,
      setup(host) {
        log.push(`start ${name}`)
        see(host)
        return { [Symbol.dispose]: () => void log.push(`stop ${name}`) }
      },
    })

  test('setup runs in order, and the host stops what was started in the reverse order', () => {
    log.length = 0
    {
      using host = createHost({
        plugins: [started('one'), started('two'), definePlugin({ name: 'none', setup: () => undefined })],
      })
      expect(host.plugins).toHaveLength(3)
      expect(log).toEqual(['start one', 'start two'])
    }
    expect(log).toEqual(['start one', 'start two', 'stop two', 'stop one'])
  })

  test('setup sees what all plugins provide', () => {
    let seen: unknown = null
    using host = createHost({
      plugins: [started('early', (all) => void (seen = all.find('monitor', 'loud'))), b],
    })
    expect(host.plugins).toHaveLength(2)
    expect(seen).toBe(loud)
  })

  test('setup does not run when the plugins do not fit together', () => {
    log.length = 0
    expect(() => createHost({ plugins: [started('one'), a, { ...a }] })).toThrow(TrituneError)
    expect(log).toEqual([])
  })

  test('a setup that fails stops what was started before it', () => {
    log.length = 0
    const failing = definePlugin({
      name: 'failing',
      setup() {
        throw new TrituneError('E_PLUGIN', 'no port is free')
      },
    })
    expect(() => createHost({ plugins: [started('one'), failing] })).toThrow('no port is free')
    expect(log).toEqual(['start one', 'stop one'])
  })
})

test('`definePlugin()` gives back the same object', () => {
  const plugin = { name: 'p' } as const
  expect(definePlugin(plugin)).toBe(plugin)
})

test('`explain()` says who would run an op, the reference last', () => {
  using host = createHost({ plugins: [] })
  using _scope = tensorScope()
  const inputs = { x: tensor([1, 2]), residual: undefined, weight: tensor([1, 1]) }
  expect(host.explain(rmsNormForward, inputs, { eps: 1e-6 }).at(-1)).toBe('reference: yes')
})
