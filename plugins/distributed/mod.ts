/**
 * Training on many machines: processes that a launcher starts join by MPI. See README.md.
 *
 * @module
 */
export { enduringWorld, type EnduringWorldOptions } from './enduring-world.ts'
export { type EnvironmentPlace, environmentPlace } from './environment-place.ts'
export { joinWorld, type JoinOptions, type WorldEngine } from './join-world.ts'
export { detectLauncher, type Launcher } from './launcher.ts'
export { type Link, LINKS, type StepCost, stepCost, type StepCostOptions, sumSeconds } from './cost.ts'
