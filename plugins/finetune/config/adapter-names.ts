/**
 * The adapters that `adapter:` knows without a plugin.
 */
import { METHOD_NAMES, type MethodName } from '../../peft/mod.ts'

export type AdapterName = MethodName | 'qlora' | 'none'

export const ADAPTERS: readonly AdapterName[] = [...METHOD_NAMES, 'qlora', 'none']
