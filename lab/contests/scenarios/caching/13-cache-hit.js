// A user who is in the caches: from Postgres, from Redis and from the process.
import { any, ask, must, optionsOf, right, variant } from '../k6-variants.js';

const ROWS = 1000;

export const options = optionsOf(['no-cache', 'redis', 'process']);

export function setup() {
  const { count } = must(ask('POST', `/cache/warmup?count=${ROWS}`, { timed: 'no' }), 200);
  if (count !== ROWS) {
    throw new Error(`${count} users are in the caches, and ${ROWS} should be`);
  }
}

export default function () {
  const id = any(ROWS);
  const name = variant();
  right(ask('GET', `/cache/users/${id}/${name}`), 200, {
    'the source is right': ({ source }) => source === (name === 'no-cache' ? 'database' : 'cache'),
    'the user is the one who was asked for': ({ user }) => {
      return user.id === id && user.email === `user${id}@example.com`;
    },
  });
}
