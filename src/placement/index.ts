export { PlacementMemory } from './memory';
export { createPlacement } from './placement';
export { protectedHours } from './rank';
export { anotherPoolMayDo, refusalOf } from './refusals';
export type * from './types';
