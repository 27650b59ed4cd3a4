/**
 * Rotary positions: what a config.json says of them, their frequencies, and the tables that the rope op reads.
 */
export { readRopeConfig } from './config.ts'
export { type RopeFrequencies, ropeFrequencies } from './frequencies.ts'
export type { RopeConfig, RopeScaling } from './scaling.ts'
export { createRopeTables, type RopeAngles, type RopeTables } from './tables.ts'
