// What the scripts of all basic scenarios share: 10 virtual users for 30 s, each of whom asks again when it
// is answered, and what a right answer is. Each script runs by itself:
//
//   k6 run lab/contests/scenarios/basic/01-lightweight.js
//
// BASE_URL (http://127.0.0.1:9999), VUS and DURATION may be set with -e. The run fails (exit code 99) if any
// check does. The lab's own generator sends the same and compares more: each row of a list, and afterwards
// the rows in the database.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';

const url = (__ENV.BASE_URL || 'http://127.0.0.1:9999').replace(/\/$/, '');
const json = { headers: { 'content-type': 'application/json' } };
// The data of seed.sql.
const ROWS = 1000;
const FILE_BYTES = 1024;
const file = 'x'.repeat(FILE_BYTES);

export const options = {
  vus: Number(__ENV.VUS || 10),
  duration: __ENV.DURATION || '30s',
  thresholds: { checks: ['rate==1'] },
};

// Of this request, whatever ran before.
function unique() {
  return `${Date.now().toString(36)}-${exec.vu.idInTest}-${exec.vu.iterationInScenario}`;
}

// The document of an answer; null where it is none.
function body(response) {
  try {
    return response.json();
  } catch (_) {
    return null;
  }
}

function answered(response, status, checks) {
  return check(response, Object.assign({ [`status is ${status}`]: (it) => it.status === status }, checks));
}

export function health() {
  return answered(http.get(`${url}/health`), 200, {
    'the server is ok': (it) => body(it)?.status === 'ok',
  });
}

export function echo() {
  const sent = {
    message: unique(),
    timestamp: Date.now(),
    data: { items: [1, 2, 3, 4, 5], nested: { key: 'value', flag: true } },
  };
  return answered(http.post(`${url}/echo`, JSON.stringify(sent), json), 200, {
    'the message is the one that was sent': (it) => body(it)?.message === sent.message,
    'the items are those that were sent': (it) => String(body(it)?.data?.items) === String(sent.data.items),
  });
}

export function list() {
  return answered(http.get(`${url}/users`), 200, {
    'all rows are in the list': (it) => {
      const rows = body(it);
      const last = (row) => row.email === `user${ROWS}@example.com`;
      return Array.isArray(rows) && rows.length >= ROWS && rows.some(last);
    },
  });
}

export function create() {
  const name = `k6 ${unique()}`;
  const email = `${name.replace(' ', '.')}@example.com`;
  return answered(http.post(`${url}/users`, JSON.stringify({ name, email }), json), 201, {
    'the user has an id': (it) => Number.isInteger(body(it)?.id),
    'the user is the one that was sent': (it) => body(it)?.email === email,
  });
}

export function external() {
  return answered(http.get(`${url}/external`), 200, {
    'latency_ms is 100 or more': (it) => body(it)?.latency_ms >= 99,
    'the answer took 100 ms or more': (it) => it.timings.duration >= 99,
  });
}

export function protect() {
  const headers = { authorization: 'Bearer a-token-of-the-lab', 'x-request-id': unique() };
  return answered(http.get(`${url}/protected`, { headers }), 200, {
    'access is granted': (it) => body(it)?.message === 'Access granted',
    'the user is named': (it) => Boolean(body(it)?.user),
  });
}

export function upload() {
  const filename = `${unique()}.bin`;
  const type = 'application/octet-stream';
  return answered(http.post(`${url}/upload`, { file: http.file(file, filename, type) }), 200, {
    'the size is that of the file': (it) => body(it)?.size === FILE_BYTES,
    'the filename is the one that was sent': (it) => body(it)?.filename === filename,
    'the content_type is the one that was sent': (it) => body(it)?.content_type === type,
  });
}

const mix = [
  [5, health],
  [15, echo],
  [40, list],
  [10, create],
  [15, external],
  [15, protect],
];

// One of the mix, each as often as its percentage says.
export function any() {
  let place = Math.random() * 100;
  for (const [share, task] of mix) {
    place -= share;
    if (place < 0) {
      return task();
    }
  }
  return health();
}
