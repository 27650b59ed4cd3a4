/**
 * The CPU library's kernels in WebAssembly, as the device `wasm`. See README.md.
 *
 * @module
 */
import { definePlugin, type DeviceDefinition, type Plugin } from '../../core/mod.ts'
import { openWasm } from './bundled.ts'

export { openWasm, wasmModulePath } from './bundled.ts'
export { openWasmBytes, type WasmBytesOptions, type WasmOptions } from './device.ts'
export { type Engine, engineOf } from './engine.ts'

/** The plugin that provides the device `wasm`. */
export const wasm: Plugin & { readonly provides: { readonly device: { readonly wasm: DeviceDefinition } } } =
  /* @__PURE__ */ definePlugin({
    name: 'wasm',
    provides: { device: { wasm: { name: 'wasm', open: (options) => openWasm(options) } } },
  })
