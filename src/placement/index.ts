export { placementDirectory, PlacementMemory } from './memory';
export { createPlacement } from './placement';
export { refusalOf } from './refusals';
export type * from './types';
