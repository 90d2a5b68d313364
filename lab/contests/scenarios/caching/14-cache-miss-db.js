// A user who is in no cache: each is thrown out before, and only the lookup is timed. One time in twenty the
// user is renamed instead, which must be seen at once. Seed the database again afterwards.
import exec from 'k6/execution';
import { ask, mine, must, optionsOf, right, variant } from '../k6-variants.js';

const ROWS = 1000;
const RENAMED_EACH = 20;

export const options = optionsOf(['no-cache', 'redis', 'process']);

export default function () {
  // Otherwise another client might fill the cache in between.
  const id = mine(ROWS);
  const checks = {
    'the source is the database': ({ source }) => source === 'database',
    'the user is the one who was asked for': ({ user }) => user.id === id,
  };
  if (exec.vu.iterationInScenario % RENAMED_EACH === 0) {
    const sent = { name: `Zoë ${exec.vu.iterationInScenario}`, email: `user${id}@example.com` };
    const headers = { 'content-type': 'application/json' };
    must(ask('PUT', `/users/${id}`, { sent: JSON.stringify(sent), headers, timed: 'no' }), 200);
    checks['the name is the new one'] = ({ user }) => user.name === sent.name;
  } else {
    must(ask('DELETE', `/cache/users/${id}`, { timed: 'no', accept: [204] }), 204);
  }
  right(ask('GET', `/cache/users/${id}/${variant()}`), 200, checks);
}
