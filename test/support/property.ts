import fc from 'fast-check';

/**
 * fast-check for the suite, which plays the same cases each time, so that it says the same of the
 * same tree. FUZZ_SEED plays others; a long run (FUZZ_RUNS) new ones each time, and names the seed
 * of what it finds.
 */
const { FUZZ_SEED, FUZZ_RUNS } = process.env;
const seed = FUZZ_SEED ?? (FUZZ_RUNS === undefined ? 1 : Date.now() % 2 ** 31);
fc.configureGlobal({ seed: Number(seed) });

export default fc;
