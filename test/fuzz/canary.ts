/** A file that is there once a shell has run what a job wrote. */
export const CANARY = '/tmp/gitlab-spot-canary';
