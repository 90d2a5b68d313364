// One user of 100,000: by a part of the address, without the index for it and with it, and by the whole
// address as a word. `like` and `trgm` are the same statement: the seed's index makes the difference.
import exec from 'k6/execution';
import { any, ask, optionsOf, right, variant } from '../k6-variants.js';

const ROWS = 100000;
const WILDCARD_EACH = 50;

export const options = optionsOf(['like', 'trgm', 'fts']);

export default function () {
  const mode = variant();
  if (exec.vu.iterationInScenario % WILDCARD_EACH === 0) {
    right(ask('GET', `/search/users?q=user_1%25&mode=${mode}`, { timed: 'no' }), 200, {
      'a wildcard is a character': ({ users }) => users.length === 0,
    });
  }
  const id = any(ROWS);
  const address = `user${id}@example.com`;
  const q = mode === 'fts' ? address : address.slice(0, address.indexOf('.'));
  right(ask('GET', `/search/users?q=${encodeURIComponent(q)}&mode=${mode}`), 200, {
    'the user is found, and nobody else': ({ users }) => {
      return users.length === 1 && users[0].id === id && users[0].email === address;
    },
  });
}
