// Sends a contest's load with k6: an open model, a connection for each virtual user's request, every status checked.
//
// It knows no rates, names or statuses of its own: lab/src/drivers/k6 reads them from contest.toml and passes them as JSON in
// POUCO_PLAN, so that the contest's file is the only source. What k6 cannot do: keep one connection for a user's whole chain
// and close it after (each request has its own here), and arrivals at random moments.
import http from 'k6/http';
import exec from 'k6/execution';
import { sleep } from 'k6';
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
const acknowledged = new Counter('pouco_acknowledged');
const statuses = new Counter('pouco_statuses');
const duration = new Trend('pouco_duration', true);

// The lines as they stand: blanks at their ends belong to them. The first is a header. One copy for all virtual users.
function lines(path, header) {
  return new SharedArray(header, () => {
    const all = open(path).split('\n');
    if (all.pop() !== '' || all.shift() !== header || all.length === 0) {
      throw new Error(`${path}: the header '${header}' must come first, then lines with an end each`);
    }
    return all;
  });
}

const payloads = lines(plan.payloads, 'payload');
const terms = lines(plan.terms, 't');

function scenarioOptions(scenario) {
  return {
    exec: 'user',
    executor: 'ramping-arrival-rate',
    gracefulStop: plan.graceful_stop,
    startRate: scenario.start_rate,
    timeUnit: scenario.time_unit,
    stages: scenario.stages,
    preAllocatedVUs: scenario.pre_allocated,
    maxVUs: scenario.max_vus,
  };
}

// k6 keeps figures of one request name only where a threshold asks for them; these are always met.
function thresholds() {
  const wanted = {};
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
  discardResponseBodies: true,
  noConnectionReuse: true,
  systemTags: ['scenario'],
  summaryTrendStats: ['count', 'p(50)', 'p(75)', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max'],
};

// The next request's address, or null where the chain ends.
function address(request, number, location) {
  if (request.path.includes('{location}')) {
    if (!location) {
      return null;
    }
    const path = request.path.replace('{location}', () => location);
    return path.startsWith('/') ? plan.url + path : path;
  }
  return plan.url + request.path.replace('{term}', () => encodeURIComponent(terms[number % terms.length]));
}

function send(request, url, number) {
  const tags = { request: request.name };
  const headers = request.sends_payload
    ? Object.assign({ 'content-type': 'application/json' }, plan.headers)
    : plan.headers;
  const body = request.sends_payload ? payloads[number % payloads.length] : null;
  sent.add(1, tags);
  const begunAt = Date.now();
  const response = http.request(request.method, url, body, {
    headers,
    tags,
    timeout: plan.timeout,
    redirects: 0,
    responseCallback: null,
  });
  // From before the connect, which k6's own http_req_duration leaves out, to the last byte. Of a request without an answer k6
  // tells no times.
  const { blocked, duration: afterwards } = response.timings;
  duration.add(response.status === 0 ? Date.now() - begunAt : blocked + afterwards, tags);
  answers.add(response.status === 0 ? 0 : 1);
  const status = knownStatuses.has(response.status) ? String(response.status) : 'other';
  statuses.add(1, { request: request.name, status });
  return response;
}

export function user() {
  const scenario = byId.get(exec.scenario.name);
  // Counts the users of the scenario, over all of k6's virtual users, from 0 and without gaps.
  const number = exec.scenario.iterationInTest;
  if (number === 0) {
    begunAtMs.add(exec.scenario.startTime);
  }
  users.add(1);
  let location = null;
  for (const request of scenario.requests) {
    const url = address(request, number, location);
    if (url === null) {
      return;
    }
    if (request.pause_ms) {
      const [least, most] = request.pause_ms;
      sleep((least + Math.random() * (most - least)) / 1000);
    }
    const response = send(request, url, number);
    const allowed = request.accept.includes(response.status);
    failed.add(allowed ? 0 : 1, { request: request.name });
    if (!allowed) {
      return;
    }
    location = response.status === 201 ? response.headers.Location : null;
    if (location && request.sends_payload) {
      acknowledged.add(1);
    }
  }
}

export function handleSummary(data) {
  return { [plan.summary]: JSON.stringify(data) };
}
