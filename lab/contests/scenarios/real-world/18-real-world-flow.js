// What one client does: log in, list, rename a user, look the user up. `before` has sessions and OFFSET with
// a count, `after` has JSON Web Tokens and a cursor. Seed the database again afterwards.
import exec from 'k6/execution';
import { any, ask, mine, optionsOf, right, variant } from '../k6-variants.js';

const ROWS = 1000;
const SIZE = 20;

export const options = optionsOf(['before', 'after']);

export default function () {
  const after = variant() === 'after';
  // Nobody else renames this user.
  const id = mine(ROWS);
  const login = ask('POST', `/auth/login/${after ? 'jwt' : 'session'}?user_id=${id}`);
  const given = right(login, 200, { 'a token is given': (it) => Boolean(it.access_token) });
  if (!given) {
    return;
  }
  if (!after) {
    const headers = { authorization: `Bearer ${login.json('access_token')}` };
    right(ask('GET', '/auth/protected/session', { headers }), 200, {
      'the session is of who logged in': (it) => it.user_id === id,
    });
  }
  const page = any(ROWS / SIZE);
  const list = after ? `cursor?cursor=${(page - 1) * SIZE}&size=${SIZE}` : `offset?page=${page}&size=${SIZE}`;
  right(ask('GET', `/users/${list}`), 200, {
    'a page is full': ({ items }) => items.length === SIZE && items[0].id === (page - 1) * SIZE + 1,
  });
  const sent = { name: `Zoë ${exec.vu.idInTest} ${exec.vu.iterationInScenario}` };
  const headers = { 'content-type': 'application/json' };
  const named = { 'the name is the new one': ({ name }) => name === sent.name };
  right(ask('PUT', `/users/${id}`, { sent: JSON.stringify(sent), headers }), 200, named);
  right(ask('GET', `/users/${id}`), 200, named);
}
