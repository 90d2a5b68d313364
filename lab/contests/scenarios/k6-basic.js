// What the scripts of all basic scenarios share: 10 virtual users for 30 s, each of whom asks again when it
// is answered, what is sent, and what a right answer is. Each script runs by itself:
//
//   k6 run lab/contests/scenarios/basic/01-lightweight.js
//
// BASE_URL (http://127.0.0.1:9999), VUS and DURATION may be set with -e. The run fails (exit code 99) if any
// check does. `k6.js` sends the same for the lab (`--tool k6`), where the rows in the database are judged
// afterwards. The lab's own generator compares each row of a list too.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';

export const url = (__ENV.BASE_URL || 'http://127.0.0.1:9999').replace(/\/$/, '');
export const json = { 'content-type': 'application/json' };
// The data of seed.sql.
const ROWS = 1000;
const FILE_BYTES = 1024;
const file = 'x'.repeat(FILE_BYTES);

export const options = {
  vus: Number(__ENV.VUS || 10),
  duration: __ENV.DURATION || '30s',
  thresholds: { checks: ['rate==1'] },
};

// The document of an answer; null where it is none.
export function body(response) {
  try {
    return response.json();
  } catch (_) {
    return null;
  }
}

// For each endpoint what is sent for this `word`, which no other request has, and what holds of a right
// answer.
export const tasks = {
  health: () => ({
    method: 'GET',
    path: '/health',
    checks: {
      'the server is ok': (it) => body(it)?.status === 'ok',
      'the server has a name': (it) => Boolean(body(it)?.server),
    },
  }),

  echo: (word) => {
    const data = { items: [1, 2, 3, 4, 5], nested: { key: `value ${word}`, flag: true } };
    const sent = { message: `message ${word}`, timestamp: Date.now(), data };
    return {
      method: 'POST',
      path: '/echo',
      headers: json,
      body: JSON.stringify(sent),
      checks: {
        'the message is the one that was sent': (it) => body(it)?.message === sent.message,
        'the data are those that were sent': (it) => same(body(it)?.data, data),
      },
    };
  },

  list: () => ({
    method: 'GET',
    path: '/users',
    checks: {
      'all rows are in the list': (it) => {
        const rows = body(it);
        const last = (row) => row.email === `user${ROWS}@example.com`;
        return Array.isArray(rows) && rows.length >= ROWS && rows.some(last);
      },
    },
  }),

  create: (word) => {
    const sent = { name: `Zoë ${word}`, email: `made${word}@example.com` };
    return {
      method: 'POST',
      path: '/users',
      headers: json,
      body: JSON.stringify(sent),
      status: 201,
      checks: {
        'the user has an id': (it) => Number.isInteger(body(it)?.id),
        'the user is the one that was sent': (it) => {
          const user = body(it);
          return user?.email === sent.email && user.name === sent.name;
        },
      },
    };
  },

  external: () => ({
    method: 'GET',
    path: '/external',
    checks: {
      'latency_ms is 100 or more': (it) => body(it)?.latency_ms >= 99,
      'the answer took 100 ms or more': (it) => it.timings.duration >= 99,
      'latency_ms is no more than the answer took': (it) => body(it)?.latency_ms <= it.timings.duration + 1,
    },
  }),

  protect: (word) => ({
    method: 'GET',
    path: '/protected',
    headers: { authorization: 'Bearer a-token-of-the-lab', 'x-request-id': word },
    checks: {
      'access is granted': (it) => body(it)?.message === 'Access granted',
      'the user is named': (it) => Boolean(body(it)?.user),
    },
  }),

  upload: (word) => {
    const [filename, type] = [`file-${word}.bin`, 'application/octet-stream'];
    return {
      method: 'POST',
      path: '/upload',
      body: { file: http.file(file, filename, type) },
      checks: {
        'the size is that of the file': (it) => body(it)?.size === FILE_BYTES,
        'the filename is the one that was sent': (it) => body(it)?.filename === filename,
        'the content_type is the one that was sent': (it) => body(it)?.content_type === type,
      },
    };
  },
};

// Two documents, whatever the order of their fields.
function same(one, other) {
  if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') {
    return one === other;
  }
  const names = Object.keys(other);
  return Object.keys(one).length === names.length && names.every((name) => same(one[name], other[name]));
}

// Whether an answer to a task is as it must be.
export function answered(task, response) {
  const status = task.status ?? 200;
  const checks = { [`status is ${status}`]: (it) => it.status === status };
  return check(response, Object.assign(checks, task.checks));
}

// Sends what the task makes of a word that no request had before, whatever ran before.
export function send(make) {
  const task = make(`${Date.now().toString(36)}-${exec.vu.idInTest}-${exec.vu.iterationInScenario}`);
  const response = http.request(task.method, url + task.path, task.body ?? null, { headers: task.headers });
  return { task, response };
}

export function ask(make) {
  const { task, response } = send(make);
  return answered(task, response);
}

const mix = [
  [5, tasks.health],
  [15, tasks.echo],
  [40, tasks.list],
  [10, tasks.create],
  [15, tasks.external],
  [15, tasks.protect],
];

// One of the mix, each as often as its percentage says.
export function any() {
  let place = Math.random() * 100;
  for (const [share, task] of mix) {
    place -= share;
    if (place < 0) {
      return task;
    }
  }
  return tasks.health;
}
