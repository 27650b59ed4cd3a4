/**
 * my-device: the CPU device with an implementation of its own of one op, silu(gate)·up, in JavaScript.
 *
 * A device says for each op whether it has an implementation, and the implementation says for which inputs. What it does not take goes on to the
 * one of the CPU device.
 */
import {
  definePlugin,
  type Device,
  type DeviceDefinition,
  gatedForward,
  implement,
  type OpImplementation,
  type Plugin,
} from 'tritune/core'
import { openCpuOrReference } from 'tritune/plugins/cpu'

export const myDevice: DeviceDefinition = {
  name: 'my-device',
  open(options): Device {
    const { device: cpu } = openCpuOrReference(options)
    const gated = withFallback(gatedInJavaScript, cpu.implementationOf(gatedForward))
    return {
      ...cpu,
      name: 'my-device',
      description: `my-device: ${cpu.description}, silu(gate)·up in JavaScript`,
      implementationOf: (op) => (op === gatedForward ? gated : cpu.implementationOf(op)),
    }
  },
}

export const plugin: Plugin = definePlugin({
  name: 'my-device',
  provides: { device: { 'my-device': myDevice } },
})

/** h = silu(gate)·up for f32. */
export const gatedInJavaScript: OpImplementation = implement(gatedForward, {
  supports({ gate }, { f }) {
    if (f !== 'silu') return `only silu, not ${f}`
    return gate.dtype === 'f32' || `only f32, not ${gate.dtype}`
  },
  run({ gate, up }, { h }) {
    const [x, factor, out] = [gate.host(), up.host(), h.host()]
    for (let i = 0; i < out.length; i++) {
      const value = Number(x[i])
      out[i] = (value / (1 + Math.exp(-value))) * Number(factor[i])
    }
  },
})

function withFallback(own: OpImplementation, other: OpImplementation | undefined): OpImplementation {
  const { op } = own
  return {
    op,
    supports: (inputs, params) =>
      own.supports(inputs, params) === true || (other?.supports(inputs, params) ?? 'no other'),
    run(inputs, outputs, params) {
      if (own.supports(inputs, params) === true) own.run(inputs, outputs, params)
      else other?.run(inputs, outputs, params)
    },
  }
}
