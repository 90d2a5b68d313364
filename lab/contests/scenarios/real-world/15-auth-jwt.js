// Who asks: anybody; whom a JSON Web Token names; the same with the user from Postgres; and whose a session
// is, which is looked up. One time in fifty tokens are sent that must be refused. JWT_SECRET is the server's.
import { hmac } from 'k6/crypto';
import { b64encode } from 'k6/encoding';
import exec from 'k6/execution';
import { check } from 'k6';
import { any, ask, must, optionsOf, right, variant } from '../k6-variants.js';

const USERS = 100;
const FORGED_EACH = 50;
const SECRET = __ENV.JWT_SECRET || 'of the contest scenarios, and of nothing else';

export const options = optionsOf(['public', 'jwt', 'jwt-user', 'session']);

function signed(claims, secret, alg = 'HS256') {
  const part = (value) => b64encode(JSON.stringify(value), 'rawurl');
  const text = `${part({ alg, typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${alg === 'none' ? '' : hmac('sha256', secret, text, 'base64rawurl')}`;
}

// By what is wrong with each.
function forged() {
  const now = Math.floor(Date.now() / 1000);
  const good = { sub: '1', exp: now + 3600 };
  const [head, , signature] = signed(good, SECRET).split('.');
  const [, other] = signed({ sub: '2', exp: now + 3600 }, SECRET).split('.');
  return {
    tampered: `${head}.${other}.${signature}`,
    expired: signed({ sub: '1', exp: now - 60 }, SECRET),
    'of no algorithm': signed(good, SECRET, 'none'),
    'of a foreign key': signed(good, 'of somebody else, and long enough'),
  };
}

export function setup() {
  const login = (how, id) => {
    return must(ask('POST', `/auth/login/${how}?user_id=${id}`, { timed: 'no' }), 200).access_token;
  };
  const tokens = { jwt: [], session: [] };
  for (let id = 1; id <= USERS; id += 1) {
    tokens.jwt.push(login('jwt', id));
    tokens.session.push(login('session', id));
  }
  return { tokens, forged: forged() };
}

export default function ({ tokens, forged: bad }) {
  const name = variant();
  if (name === 'public') {
    right(ask('GET', '/auth/public'), 200, { 'it is public': ({ message }) => message === 'public' });
    return;
  }
  const path = `/auth/protected/${name}`;
  if (exec.vu.iterationInScenario % FORGED_EACH === 0) {
    for (const [what, token] of Object.entries(bad)) {
      const headers = { authorization: `Bearer ${token}` };
      const response = ask('GET', path, { headers, timed: 'no', accept: [401] });
      check(response, { [`a token is refused: ${what}`]: ({ status }) => status === 401 });
    }
  }
  const id = any(USERS);
  const token = tokens[name === 'session' ? 'session' : 'jwt'][id - 1];
  right(ask('GET', path, { headers: { authorization: `Bearer ${token}` } }), 200, {
    'access is granted': ({ message }) => message === 'Access granted',
    'the user is the one who logged in': (it) => it.user_id === id,
    'the user is from Postgres, or nobody asked': ({ user }) => {
      return name === 'jwt' ? user === undefined : user.email === `user${id}@example.com`;
    },
  });
}
