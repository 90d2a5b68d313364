// Sends the contest's load with k6: users by their id and lists, each in a scenario of its own, with fixed rates of arrivals.
//
// It knows no rates, names or statuses of its own: lab/src/drivers/k6 reads them from contest.toml and passes them as JSON in
// POUCO_PLAN. Each virtual user keeps its connection, as k6 does by default. What an answer says is checked here for its id, or for
// its number of items, offset and total; the native generator compares every field.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { SharedArray } from 'k6/data';
import { Counter, Gauge, Trend } from 'k6/metrics';

const plan = JSON.parse(__ENV.POUCO_PLAN);
const knownStatuses = new Set(plan.statuses);
const byId = new Map(plan.scenarios.map((scenario) => [scenario.id, scenario]));

// The names are also in lab/src/drivers/k6/summary.rs, which reads them.
const begunAtMs = new Gauge('pouco_begun_at_ms');
const users = new Counter('pouco_users');
const sent = new Counter('pouco_sent');
const answers = new Counter('pouco_answers');
const failed = new Counter('pouco_failed');
const statuses = new Counter('pouco_statuses');
const duration = new Trend('pouco_duration', true);

// The data's ids, in their order: a header, then one a line. One copy for all virtual users.
const ids = new SharedArray('ids', () => {
  const all = open(plan.terms).split('\n');
  if (all.pop() !== '' || all.shift() !== 't' || all.length === 0) {
    throw new Error(`${plan.terms}: the header 't' must come first, then ids with a line end each`);
  }
  return all;
});

function scenarioOptions(scenario) {
  const common = {
    exec: 'user',
    gracefulStop: plan.graceful_stop,
    timeUnit: scenario.time_unit,
    preAllocatedVUs: scenario.pre_allocated,
    maxVUs: scenario.max_vus,
  };
  const [only, ...more] = scenario.stages;
  if (more.length === 0 && only.target === scenario.start_rate) {
    return Object.assign(common, {
      executor: 'constant-arrival-rate',
      rate: only.target,
      duration: only.duration,
    });
  }
  return Object.assign(common, {
    executor: 'ramping-arrival-rate',
    startRate: scenario.start_rate,
    stages: scenario.stages,
  });
}

// The first three are what the contest asks for. k6 keeps figures of one request name only where a threshold asks for them:
// the others are always met.
function thresholds() {
  const wanted = {
    checks: ['rate>0.99'],
    http_req_failed: ['rate<0.01'],
    http_req_duration: ['p(99)<500'],
  };
  const requests = plan.scenarios.flatMap((scenario) => scenario.requests);
  for (const { name } of requests) {
    wanted[`pouco_duration{request:${name}}`] = ['max>=0'];
    for (const counter of ['pouco_sent', 'pouco_failed']) {
      wanted[`${counter}{request:${name}}`] = ['count>=0'];
    }
    for (const status of [...plan.statuses, 'other']) {
      wanted[`pouco_statuses{request:${name},status:${status}}`] = ['count>=0'];
    }
  }
  return wanted;
}

export const options = {
  scenarios: Object.fromEntries(plan.scenarios.map((scenario) => [scenario.id, scenarioOptions(scenario)])),
  thresholds: thresholds(),
  systemTags: ['scenario'],
  summaryTrendStats: ['count', 'p(50)', 'p(75)', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max'],
};

// A whole number from 0 on, below `count`.
function any(count) {
  return Math.floor(Math.random() * count);
}

function randomHex(digits) {
  let text = '';
  while (text.length < digits) {
    text += any(16).toString(16);
  }
  return text;
}

// Of version 4; that one of 2^122 is among the data does not occur.
function unknownId() {
  const variant = '89ab'[any(4)];
  return `${randomHex(8)}-${randomHex(4)}-4${randomHex(3)}-${variant}${randomHex(3)}-${randomHex(12)}`;
}

function json(response) {
  try {
    return response.json();
  } catch (_) {
    return null;
  }
}

// The path with all placeholders filled, and what its answer must say.
function drawn(path) {
  if (path.includes('{user_id}')) {
    const id = ids[any(ids.length)];
    return {
      path: path.replace('{user_id}', id),
      checks: { 'the id is the one that was asked for': (response) => json(response)?.id === id },
    };
  }
  if (path.includes('{unknown_id}')) {
    return {
      path: path.replace('{unknown_id}', unknownId()),
      checks: { 'nobody is not_found': (response) => json(response)?.error === 'not_found' },
    };
  }
  const limit = Number(path.match(/[?&]limit=([0-9]+)/)[1]);
  const offset = any(ids.length - limit + 1);
  return {
    path: path.replace('{offset}', offset),
    checks: {
      'the list is the page that was asked for': (response) => {
        const list = json(response);
        const whole = list?.items?.length === limit && list.limit === limit && list.offset === offset;
        return whole && list.total === ids.length && list.items[0].id === ids[offset];
      },
    },
  };
}

// Whether the answer is as it must be.
function send(request) {
  const { path, checks } = drawn(request.path);
  const tags = { request: request.name };
  sent.add(1, tags);
  const begunAt = Date.now();
  const response = http.request(request.method, plan.url + path, null, {
    headers: plan.headers,
    tags,
    timeout: plan.timeout,
    redirects: 0,
    responseCallback: http.expectedStatuses(...request.accept),
  });
  // From before the connect, which k6's own http_req_duration leaves out, to the last byte. Of a request without an answer k6
  // tells no times.
  const { blocked, duration: afterwards } = response.timings;
  duration.add(response.status === 0 ? Date.now() - begunAt : blocked + afterwards, tags);
  answers.add(response.status === 0 ? 0 : 1);
  const status = knownStatuses.has(response.status) ? String(response.status) : 'other';
  statuses.add(1, { request: request.name, status });
  return request.accept.includes(response.status) && check(response, checks, tags);
}

export function user() {
  const scenario = byId.get(exec.scenario.name);
  if (exec.scenario.iterationInTest === 0) {
    begunAtMs.add(exec.scenario.startTime);
  }
  users.add(1);
  for (const request of scenario.requests) {
    const good = send(request);
    failed.add(good ? 0 : 1, { request: request.name });
    if (!good) {
      return;
    }
  }
}

export function handleSummary(data) {
  return { [plan.summary]: JSON.stringify(data) };
}
